package server

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/backup"
)

const (
	// storeName is the name of the store in the data folder.
	storeName = "store"
	// restoringName is the name of a store that is being restored.
	restoringName = "store.restoring"
	// copyBuffer is the size of the buffers with which backups are read and written, in bytes.
	copyBuffer = 1 << 20
)

// BackupContents are what a backup has. Names and meanings of the JSON fields stay.
type BackupContents struct {
	Release string    `json:"release"`
	Time    time.Time `json:"time"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
}

func contentsOf(c backup.Contents) BackupContents {
	return BackupContents{Release: c.Release, Time: c.Time, Files: c.Files, Bytes: c.Bytes}
}

// BackupReport is what a backup was found to hold. Names and meanings of the JSON fields stay.
type BackupReport struct {
	BackupContents
	Tenants   int   `json:"tenants"`
	Functions int   `json:"functions"`
	Records   int64 `json:"records"`
	Encrypted int   `json:"encrypted"`  // records with secrets that are encrypted
	Plain     int   `json:"plain"`      // records with secrets that are not
	NeedsKeys bool  `json:"needs_keys"` // no server can use the data without the keys
	Decrypted bool  `json:"decrypted"`  // the keys that were given are right
	Cluster   bool  `json:"cluster"`    // the data are those of a node of a cluster
}

// Backup writes a backup of a data folder that no server uses to w.
func Backup(ctx context.Context, o Secrets, release string, w io.Writer) error {
	s, err := o.openStore()
	if err != nil {
		return err
	}
	out := &failingWriter{w: w}
	err = s.Backup(ctx, release, out)
	if out.err != nil {
		err = fmt.Errorf("write the backup: %w", out.err) // which is nothing that is wrong inside a server
	}
	return errors.Join(err, s.Close())
}

// failingWriter remembers the error of a writer.
type failingWriter struct {
	w   io.Writer
	err error
}

func (f *failingWriter) Write(p []byte) (n int, err error) {
	n, err = f.w.Write(p)
	f.err = cmp.Or(f.err, err)
	return n, err
}

// Breakdown returns what takes room in a data folder that no server uses.
func Breakdown(o Secrets, most int) (wire.Storage, error) {
	s, err := o.openStore()
	if err != nil {
		return wire.Storage{}, err
	}
	b, err := s.Breakdown(most)
	return faaspot.RenderStorage(b), errors.Join(err, s.Close())
}

// openStore opens the store of a data folder that no server uses.
func (o Secrets) openStore() (*storage.Store, error) {
	options, err := o.closedStore()
	if err != nil {
		return nil, err
	}
	return storage.Open(options)
}

// closedStore returns the options of the store of a data folder that no server uses.
func (o Secrets) closedStore() (s storage.Options, err error) {
	s = storage.Options{Dir: filepath.Join(o.Data, storeName), Log: slog.New(slog.DiscardHandler)}
	if _, err := os.Stat(s.Dir); err != nil {
		return s, clierror.Usagef("name the folder with --data", "there is no data in %s: %v", o.Data, err)
	}
	if _, err := os.Stat(filepath.Join(o.Data, copiedName)); err == nil {
		return s, clierror.Usagef("start the node once", "the node of %s was stopped when it had got a copy of the data", o.Data)
	}
	s.Keys, err = o.given()
	return s, err
}

// CheckBackup reads a backup and compares its checksums.
func CheckBackup(r io.Reader) (BackupContents, error) {
	c, err := backup.Read(bufio.NewReaderSize(r, copyBuffer), nil)
	return contentsOf(c), backupError(err)
}

// backupError returns the error of a backup that is not one.
func backupError(err error) error {
	if errors.Is(err, backup.ErrDamaged) {
		return runtime.Errorf(runtime.CodeInvalidArgument, "%v", err).
			WithHint("use another backup; a file that ends early was not sent completely")
	}
	return err
}

// VerifyBackup reads a backup, compares its checksums, and reads every record of the store in it, which
// it unpacks below a folder and removes. With the keys of o it also decrypts all secrets.
func VerifyBackup(o Secrets, r io.Reader, folder string) (b BackupReport, err error) {
	dir, err := os.MkdirTemp(folder, ".fas-verify-*")
	if err != nil {
		return b, clierror.Usagef("name a folder with room for the whole backup with --temp-dir", "cannot unpack the backup: %v", err)
	}
	defer os.RemoveAll(dir)
	return unpack(o, r, dir)
}

// unpack writes the store in a backup to an empty folder and inspects it.
func unpack(o Secrets, r io.Reader, dir string) (b BackupReport, err error) {
	keys, err := o.given()
	if err != nil {
		return b, err
	}
	c, err := extract(r, dir, 0)
	b.BackupContents = contentsOf(c)
	if err != nil {
		return b, err
	}
	i, err := storage.Inspect(storage.InspectOptions{Dir: dir, Keys: keys})
	if err != nil {
		return b, err
	}
	b.Tenants, b.Functions, b.Records, b.Encrypted, b.Plain = i.Tenants, i.Functions, i.Records, i.Encrypted, i.Plain
	b.NeedsKeys, b.Decrypted, b.Cluster = i.NeedsKeys, i.Keys, i.Applied.Generation > 0
	return b, nil
}

// extract writes the files in a backup to an empty folder. They are durable when it returns nil. floor is what must be left
// free on the disk, in bytes.
func extract(r io.Reader, dir string, floor uint64) (backup.Contents, error) {
	c, err := backup.Read(bufio.NewReaderSize(r, copyBuffer), func(name string, size int64, content io.Reader) error {
		if free, total, err := storage.Room(dir); err == nil && total > 0 && uint64(size)+floor > free {
			return runtime.Errorf(runtime.CodeUnavailable, "the disk has %s free, and the next file has %s", ui.SizeText(int64(free)), ui.SizeText(size)).
				WithHint("free some room")
		}
		return writeFile(filepath.Join(dir, name), content)
	})
	if err == nil {
		err = syncFolder(dir)
	}
	return c, backupError(err)
}

func writeFile(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RestoreBackup writes the store in a backup to a data folder that has none, and checks all of it first.
// The folder may have the file with the keys of secrets already. If alone, a backup of a cluster becomes the data of a server
// alone.
func RestoreBackup(o Secrets, r io.Reader, alone bool) (b BackupReport, err error) {
	if err := o.checkEmpty(); err != nil {
		return b, err
	}
	if err := os.MkdirAll(o.Data, dataMode); err != nil {
		return b, clierror.Usagef("choose another folder with --data", "cannot create the data folder: %v", err)
	}
	half := filepath.Join(o.Data, restoringName)
	if err := os.Mkdir(half, dataMode); err != nil { // another command may restore to the folder at this moment
		return b, clierror.Usagef("choose another folder with --data", "cannot restore to the data folder: %v", err)
	}
	defer os.RemoveAll(half) // unless it was renamed
	if b, err = unpack(o, r, half); err != nil {
		return b, err
	}
	if alone && b.Cluster {
		keys, err := o.given()
		if err == nil {
			err = storage.Detach(storage.Options{Dir: half, Log: slog.New(slog.DiscardHandler), Keys: keys})
		}
		if err != nil {
			return b, err
		}
		b.Cluster = false
	}
	if err := dropLock(half); err != nil {
		return b, err
	}
	if err := os.Rename(half, filepath.Join(o.Data, storeName)); err != nil {
		return b, err
	}
	return b, syncFolder(o.Data)
}

// dropLock removes the lock that reading a store has left: one that was stopped has none either.
func dropLock(dir string) error {
	err := os.Remove(filepath.Join(dir, "LOCK"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// checkEmpty returns an error if the data folder has anything but the keys of secrets. A new disk has a
// folder lost+found.
func (o Secrets) checkEmpty() error {
	entries, err := os.ReadDir(o.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return clierror.Usagef("choose another folder with --data", "cannot read the data folder: %v", err)
	}
	var rest []string
	for _, e := range entries {
		if name := e.Name(); name != secretsName && name != "lost+found" && filepath.Join(o.Data, name) != o.path() {
			rest = append(rest, name)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	hint := "name an empty folder with --data; a restored store replaces nothing"
	if len(rest) == 1 && rest[0] == restoringName {
		hint = "another restore is in progress, or was interrupted: in that case delete " + filepath.Join(o.Data, restoringName) + " first"
	}
	return clierror.Usagef(hint, "the data folder %s is not empty: it has %s", o.Data, strings.Join(rest[:min(len(rest), 3)], ", "))
}

// KeysHint says what a data folder that was restored needs to be served; empty: nothing.
func (o Secrets) KeysHint(b BackupReport) string {
	if !b.NeedsKeys || b.Decrypted {
		return ""
	}
	return fmt.Sprintf("the backup has no keys: copy the file with the keys of its secrets to %s, or set %s, before the server starts", o.path(), environ.SecretsVar)
}
