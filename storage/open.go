package storage

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/disk"

	"github.com/faaspot/faaspot/storage/internal/search"
)

const (
	// formatVersion is that of the table in doc.go.
	formatVersion = 2
	// formatUnindexed is that of before there were postings.
	formatUnindexed = 1

	// pebbleFormat is pinned: Pebble's own default is its oldest, and a newer
	// one locks out those who go back to an earlier release of faaspot. This
	// one tells a torn end of the log from damage, and checksums file footers.
	pebbleFormat = pebble.FormatTableFormatV6

	// cacheSize, in bytes, holds the blocks that pages of lists are read from;
	// current versions are cached by the engine.
	cacheSize    = 64 << 20
	memTableSize = 8 << 20 // bytes; larger batches are kept beside it
	// memTables may fill up while a flush is slow before writes wait.
	memTables = 4
	// flushTable and baseTable, in bytes, are the sizes of the tables that a flush
	// makes and of those on the first level below; deeper ones are larger. What is
	// accepted goes to the ends of two ranges of keys. A table that has keys of
	// both spans all that is between, and what it is compacted into would be
	// written anew.
	flushTable   = 512 << 10
	baseTable    = 4 << 20
	maxOpenFiles = 500
	// flushDrops is when what Expire drops begins to give back room: on a disk
	// that is so full that nothing is written, no other flush would come.
	flushDrops = 10 * time.Second
	bloomBits  = 10 // per key: one in a hundred lookups of absent names reads a block

	// DefaultMinFree is what a disk must have left, in bytes, for new writes:
	// enough for the flushes and compactions of what was accepted before.
	DefaultMinFree = 64 << 20
)

// Options of a Store. Dir must be set.
type Options struct {
	// Dir is the store's own directory. It is made, open to its owner alone, if
	// it is not there. It must not hold anything else.
	Dir string
	Log *slog.Logger // nil: slog.Default
	// MinFree is how many bytes must be free on the disk for new writes.
	// Zero: [DefaultMinFree].
	MinFree uint64
	// Fatal is told why the process cannot go on, and must not return. Nil:
	// log it and exit with status 1.
	Fatal func(message string)
	// FS holds Dir. Nil: the disk.
	FS vfs.FS
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.Fatal == nil {
		o.Fatal = func(message string) {
			o.Log.Error(message)
			os.Exit(1)
		}
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Open opens the store in a directory, or makes one there if it is empty. It
// refuses, with a CodeUnavailable error that says why and what to do, what
// another process holds, what is not a store of ours, what is damaged, and what
// a newer release has written. It never begins anew in place of what it cannot
// read. What is lost at the end of the log of a process that was killed cannot
// be told from what was never synced.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if o.Dir == "" {
		return nil, fmt.Errorf("storage: Options.Dir is not set")
	}
	s, err := open(o)
	if err != nil {
		return nil, refusal(o.Dir, err)
	}
	return s, nil
}

func open(o Options) (_ *Store, err error) {
	s := &Store{dir: o.Dir, log: o.Log, fatal: o.Fatal}
	s.health = disk.NewHealth(o.Log, o.Now, o.MinFree)
	for _, locks := range []*stripes{&s.locks, &s.leases, &s.idempotency} {
		locks.seed = maphash.MakeSeed()
	}
	s.searchSteps = search.MaxSteps
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(s.end))
		}
	}()

	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, err
	}
	if err := checkDir(o.FS, o.Dir, o.Log); err != nil {
		return nil, err
	}
	watched, watcher := s.health.Watch(o.FS)
	s.fs = watched
	s.end = []io.Closer{watcher}
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	if err != nil {
		return nil, lockError(err)
	}
	s.end = append([]io.Closer{lock}, s.end...)
	fresh, err := isFresh(o.FS, o.Dir)
	if err != nil {
		return nil, err
	}
	// What is in the log is made a table first. Where that fails Pebble tries for
	// ever, and cannot be called back.
	s.health.SetStuck(func(err error) { s.fatal(messageAndHint(refusal(o.Dir, err))) })
	if s.db, err = openPebble(o.Dir, s.options(lock, fresh)); err != nil {
		return nil, err
	}
	s.commits = commit.New(s.db, gate{s})
	s.health.SetStuck(nil)
	s.health.SetBroken(func(err error) { s.fatal(messageAndHint(unusable("write to", o.Dir, err))) })
	s.end = append([]io.Closer{flushOnClose{s}}, s.end...)
	if err := s.checkFormat(); err != nil {
		return nil, err
	}
	return s, s.attempts.load(s.db)
}

// openPebble gives as an error what Pebble panics with when the disk fails
// while it makes a log.
func openPebble(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			cause, ok := r.(error)
			if !ok {
				panic(r)
			}
			err = cause
		}
	}()
	return pebble.Open(dir, o)
}

func (s *Store) options(lock *pebble.Lock, fresh bool) *pebble.Options {
	o := &pebble.Options{
		FS:                          s.fs,
		Lock:                        lock,
		Logger:                      disk.NewLogger(s.log, s.fatal),
		EventListener:               s.health.Listener(),
		ErrorIfNotExists:            !fresh,
		FormatMajorVersion:          pebbleFormat,
		CacheSize:                   cacheSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: memTables,
		MaxOpenFiles:                maxOpenFiles,
		TargetFileSizes:             [...]int64{0: flushTable, 1: baseTable, 6: 0},
		FlushDelayDeleteRange:       flushDrops,
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	return o
}

// isFresh tells whether a directory is empty but for what an attempt to make a
// store there may have left when it was interrupted. Pebble names its manifest
// in a marker before it makes the first log, and from then on there is always a
// log; making a store ends with a first table, see checkFormat.
func isFresh(fs vfs.FS, dir string) (bool, error) {
	desc, err := pebble.Peek(dir, fs)
	if err != nil {
		return false, err
	}
	files, err := fs.List(dir)
	if err != nil {
		return false, err
	}
	var table, log, foreign string
	for _, file := range files {
		switch {
		case strings.HasSuffix(file, ".sst"):
			table = file
		case strings.HasSuffix(file, ".log"):
			log = file
		case file != "LOCK" && !strings.HasPrefix(file, "marker.") && !strings.HasPrefix(file, "MANIFEST-") && !strings.HasPrefix(file, "OPTIONS-"):
			foreign = file
		}
	}
	switch {
	case desc.Exists && table == "" && log == "" && !slices.Contains(files, desc.ManifestFilename):
		// Power was lost before the folder was synced. Pebble would miss what the marker names.
		return true, removeMarkers(fs, dir, files)
	case desc.Exists && table != "" && log == "":
		return false, fmt.Errorf("%w: there is data (%s) but no log", errDamaged, table)
	case desc.Exists:
		return false, nil
	case table != "" || log != "":
		return false, fmt.Errorf("%w: there is data (%s) but not the marker of its manifest", errDamaged, table+log)
	case foreign != "":
		return false, fmt.Errorf("%w: it holds %s", errForeign, foreign)
	}
	return true, nil
}

func removeMarkers(fs vfs.FS, dir string, files []string) error {
	var errs []error
	for _, file := range files {
		if strings.HasPrefix(file, "marker.") {
			errs = append(errs, fs.Remove(fs.PathJoin(dir, file)))
		}
	}
	return errors.Join(errs...)
}
