package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// Reasons to refuse a directory.
var (
	errHeld    = errors.New("another process uses it")
	errForeign = errors.New("it is not a store of faaspot")
	errDamaged = errors.New("it is damaged")
	errNewer   = errors.New("a newer release of faaspot has written it")
	errExposed = errors.New("every user of this machine may write to it")
)

// lockError distinguishes a lock of another process from all other errors of its file. See fcntl(2)
// for the two errors; Pebble has a message of its own for a lock of this process.
func lockError(err error) error {
	if _, opening := errors.AsType[*fs.PathError](err); opening {
		return err
	}
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "lock held by current process") {
		return fmt.Errorf("%w: %w", errHeld, err)
	}
	return err
}

// messageAndHint returns the text of a refusal.
func messageAndHint(err *runtime.Error) string { return err.Message + "; " + err.Hint }

// refusal returns why a store cannot be opened, and what to do.
func refusal(dir string, err error) *runtime.Error { return unusable("open", dir, err) }

// unusable returns why an operation on a store is not possible, and what to do.
func unusable(verb, dir string, err error) *runtime.Error {
	refused := func(why, hint string) *runtime.Error {
		return &runtime.Error{
			Code:    runtime.CodeUnavailable,
			Op:      "storage.open",
			Message: fmt.Sprintf("cannot %s the data folder %s: %s", verb, dir, why),
			Hint:    hint,
			Err:     err,
		}
	}
	restore := "restore the folder from a backup"
	switch {
	case errors.Is(err, errHeld):
		return refused(errHeld.Error(), "stop the other server, or give this one a folder of its own")
	case errors.Is(err, errForeign):
		return refused(err.Error(), "choose an empty folder, or the one that faaspot used before")
	case errors.Is(err, errReplica), errors.Is(err, ErrOutdated):
		return refused(err.Error(), "give the log that the folder belongs to, or choose an empty folder")
	case errors.Is(err, errAhead):
		return refused(err.Error(), "if these records are needed, begin a new log from this folder: `fas cluster heal`; if not, move the folder away")
	case errors.Is(err, errOther):
		return refused(err.Error(), "move the folder away, and start with an empty one: it gets a copy")
	case errors.Is(err, errUnlogged):
		return refused(err.Error(), "choose an empty folder; it gets what the log has")
	case errors.Is(err, errNewer):
		return refused(err.Error(), "run that release or a later one; fas --version prints the release of a binary")
	case errors.Is(err, errKeys):
		return refused(errKeys.Error(), "give the keys that the folder was used with: --secrets-file, or the variable FAASPOT_SECRETS_KEYS")
	case errors.Is(err, errExposed):
		return refused(errExposed.Error(), "remove this access: chmod 700 "+dir)
	case errors.Is(err, fs.ErrPermission):
		return refused("permission denied", "let the user that runs the server own the folder")
	case errors.Is(err, syscall.EROFS):
		return refused("the file system is read-only", "mount it for writing; a disk that failed may have become read-only")
	case errors.Is(err, syscall.ENOSPC):
		return refused("no space is left on the disk", "free some space")
	case errors.Is(err, syscall.ENOTDIR):
		return refused("it is not a folder", "choose another folder")
	case errors.Is(err, errDamaged), errors.Is(err, kv.ErrDamaged):
		return refused(err.Error(), restore)
	case pebble.IsCorruptionError(err):
		return refused(errDamaged.Error()+": "+err.Error(), restore)
	case errors.Is(err, fs.ErrNotExist):
		return refused("one of its files is missing: "+err.Error(), restore)
	}
	return refused(err.Error(), "see the log; if files are damaged or missing, "+restore)
}
