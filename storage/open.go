package storage

import (
	"cmp"
	"context"
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

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/disk"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/search"
	"github.com/faaspot/faaspot/storage/keyset"
)

const (
	// formatVersion is the version of the layout in package keys, and of what is derived from the records. A
	// new encoding of a record does not change it: an earlier release refuses that record, see package record.
	formatVersion = 3
	// formatUnkept is the version before retention knew sizes.
	formatUnkept = 2
	// formatUnindexed is the version before there were postings.
	formatUnindexed = 1

	// pebbleFormat is pinned: Pebble's own default is its oldest format, and a newer one locks out
	// users who return to an earlier release of faaspot. This one distinguishes a torn end of the
	// log from damage, and checksums file footers.
	pebbleFormat = pebble.FormatTableFormatV6

	// DefaultCacheBytes is the size of the cache for blocks that pages of lists are read from, in bytes.
	// The engine caches current versions.
	DefaultCacheBytes = 64 << 20

	memTableSize = 8 << 20 // bytes; larger batches are stored beside it
	// memTables is the number of memtables that may fill up before Pebble stalls writes. The gate
	// does not let it come to that.
	memTables = 5
	// flushTable and baseTable are the sizes of tables that a flush writes and of tables on the
	// first level below, in bytes; deeper ones are larger. Accepted executions are written to the
	// ends of two ranges of keys. A table with keys of both ranges spans everything between them,
	// and a compaction would rewrite all tables there.
	flushTable   = 512 << 10
	baseTable    = 4 << 20
	maxOpenFiles = 500
	// splitTenants is the number of tenants up to which tables end where the keys of a kind end, see
	// keys.TableEnd. With many tenants, a flush would write a table for each of them.
	splitTenants = 16
	// neverStall is more sublevels of level 0 than disk.Memory lets come about.
	neverStall = 1000
	// flushDrops is the delay after which the ranges that Expire drops begin to free room: on a
	// disk so full that nothing is written, there would be no other flush.
	flushDrops = 10 * time.Second
	bloomBits  = 10 // per key: one in a hundred lookups of absent names reads a block

	// DefaultMinFree is the free space that a disk must have for new writes, in bytes: enough for
	// the flushes and compactions of what was accepted before. See [DefaultFloor].
	DefaultMinFree = 64 << 20
	// floorPart divides the size of a small disk, and leastFloor bounds the floor of any, in bytes.
	floorPart  = 8
	leastFloor = 8 << 20
)

// DefaultFloor returns the free space that a disk of some bytes must have for new writes without
// another setting: [DefaultMinFree], or an eighth of a small disk. Zero: the size is not known.
func DefaultFloor(total uint64) uint64 {
	if total == 0 {
		return DefaultMinFree
	}
	return min(max(total/floorPart, leastFloor), DefaultMinFree)
}

// Room returns the bytes that are free on the disk of a folder, and those that it has.
func Room(dir string) (free, total uint64, err error) {
	u, err := vfs.Default.GetDiskUsage(dir)
	return u.AvailBytes, u.TotalBytes, err
}

// Options are the options of a Store. Dir must be set.
type Options struct {
	// Dir is the store's own directory. Open creates it, with access for its owner alone, if it
	// does not exist. It must not hold anything else.
	Dir string
	Log *slog.Logger // nil: slog.Default
	// MinFree is the number of bytes that must be free on the disk for new writes. Zero:
	// [DefaultFloor].
	MinFree uint64
	// CacheBytes is the size of the cache for blocks that are read, in bytes. Zero:
	// [DefaultCacheBytes].
	CacheBytes int64
	// Ballast is the size of the file that is given up when the disk is full, in bytes. Zero: a part of
	// the disk, at most 32 MiB. Negative: there is none.
	Ballast int64
	// AuditAge is how long entries of the audit log are stored. Zero: [runtime.DefaultAuditAge].
	AuditAge time.Duration
	// AuditBytes bounds the audit log, in bytes. Zero: 64 MiB, or 1/32 of what a small disk has for the
	// store.
	AuditBytes int64
	// Fatal is called with the reason why the process cannot continue, and must not return. Nil:
	// log it and exit with status 1.
	Fatal func(message string)
	// FS is the file system of Dir. Nil: the disk.
	FS vfs.FS
	// Keys encrypt the secrets in new records: contexts, environment values of jobs and secrets of
	// callbacks. Nil: they are not encrypted.
	Keys *keyset.Keyset
	// KeepKeys is called before anything is encrypted in a store that has no secrets yet, to store Keys
	// that are new. A store whose secrets are encrypted with other keys is refused before. Nil: the
	// keys are stored already.
	KeepKeys func() error
	// Now returns the time. Nil: time.Now.
	Now func() time.Time
	// Held is called with the bytes that a large write takes on Go's heap beside its data, and with
	// their negative once it has ended. It is called concurrently. Nil: nobody counts them.
	Held func(n int64)
	// Replication makes the store a replica of a log. Nil: it is alone.
	Replication *Replication

	adopting bool // a store that may be the replica of a log is opened without it
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.AuditAge == 0 {
		o.AuditAge = runtime.DefaultAuditAge
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
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

// Open opens the store in a directory, or creates one if the directory is empty. It refuses a
// directory that another process uses, that is not a store of faaspot, that is damaged, or that a
// newer release has written, with a CodeUnavailable error that says why and what to do. It never
// creates a new store in place of one that it cannot read. Damage at the end of the log of a killed
// process cannot be distinguished from writes that were never synced.
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
	s := &Store{opened: time.Now(), dir: o.Dir, log: o.Log, fatal: o.Fatal, keepKeys: o.KeepKeys, adopting: o.adopting, bundles: newBundles()}
	s.holdings.all = make(map[runtime.Tenant]tally)
	s.audit.age, s.audit.limit = o.AuditAge, cmp.Or(o.AuditBytes, defaultAuditBytes)
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
	if s.minFree = o.MinFree; s.minFree == 0 {
		u, _ := o.FS.GetDiskUsage(o.Dir) // zero if it is not known
		s.minFree = DefaultFloor(u.TotalBytes)
	}
	s.health = disk.NewHealth(o.Log, o.Now, s.minFree)
	watched, watcher := s.health.Watch(o.FS, func() bool { return s.ballast.Release() })
	s.end = []io.Closer{watcher}
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	if err != nil {
		return nil, lockError(err)
	}
	s.end = append([]io.Closer{lock}, s.end...)
	if err := dropCheckpoints(o.FS, o.Dir); err != nil {
		return nil, err
	}
	if s.ballast, err = disk.NewBallast(o.FS, o.Dir, o.Ballast, o.Log); err != nil {
		return nil, err
	}
	fresh, err := isFresh(o.FS, o.Dir)
	if err != nil {
		return nil, err
	}
	if s.fs, err = watchManifests(o.FS, watched, o.Dir); err != nil {
		return nil, err
	}
	if err := prepareRoom(o.FS, o.Dir, s.ballast); err != nil {
		return nil, err
	}
	// Pebble first writes the log into a table. If that fails, Pebble retries without end and
	// cannot be stopped.
	s.health.SetStuck(func(err error) { s.fatal(messageAndHint(refusal(o.Dir, err))) })
	db, err := openPebble(o.Dir, s.options(lock, fresh, o.CacheBytes))
	if err != nil {
		return nil, err
	}
	s.db = newDatabase(db, o.Keys)
	s.memory = disk.NewMemory(s.unflushed)
	s.commits = commit.New(db, gate{s})
	s.commits.Held = o.Held
	s.health.SetStuck(nil)
	s.health.SetBroken(func(err error) { s.fatal(messageAndHint(unusable("write to", o.Dir, err))) })
	s.end = append([]io.Closer{flushOnClose{s}}, s.end...)
	if !o.adopting {
		err = s.checkReplica(o.Replication)
	}
	if err != nil {
		return nil, err
	}
	if s.replica == nil {
		if err := s.load(); err != nil {
			return nil, err
		}
	}
	if u, err := s.fs.GetDiskUsage(s.dir); err == nil {
		all := int64(u.AvailBytes + s.db.Metrics().DiskSpaceUsage())
		s.defaultBytes, s.bundles.limit = all/2, all/bundlePart
		if o.AuditBytes == 0 {
			s.audit.limit = min(s.audit.limit, all/auditPart)
		}
	}
	if err := s.health.SetDamaged(s.damaged); err != nil {
		return nil, err
	}
	s.health.SetPatient(true)
	s.restoreBallast()
	if s.replica != nil && !s.replica.Follow {
		ctx, cancel := context.WithTimeout(context.Background(), ownPatience)
		defer cancel()
		if err := s.Own(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// load reads what memory holds of the records, after it has brought those of an earlier release up to date.
func (s *Store) load() error {
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.checkKeys(); err != nil {
		return err
	}
	if !s.adopting { // else the next owner does
		if err := s.bindJobs(); err != nil {
			return err
		}
	}
	if err := errors.Join(s.attempts.load(s.db), s.usage.load(s.db)); err != nil {
		return err
	}
	all, err := loadHoldings(s.db)
	if err != nil {
		return err
	}
	s.holdings.mu.Lock()
	s.holdings.all = all
	s.holdings.mu.Unlock()
	return errors.Join(s.loadBundles(), s.loadAudit())
}

// restoreBallast writes the ballast, if there is room for it and none. It also notes how full the disk
// is.
func (s *Store) restoreBallast() {
	if u, err := s.fs.GetDiskUsage(s.dir); err == nil {
		_ = s.health.Roomy(u.AvailBytes) // it logs a change
	}
	if err := s.ballast.Restore(s.minFree); err != nil {
		s.log.Warn("storage: the ballast cannot be written; on a full disk, executions might not be cancelled", "err", err)
	}
}

// watchManifests returns the file system for Pebble, which notes how much of a manifest is on disk. The
// error is errDamaged if the manifest of the store has less than the note says, or something else.
func watchManifests(fs, watched vfs.FS, dir string) (vfs.FS, error) {
	m, err := disk.OpenManifests(fs, dir)
	if err != nil {
		return nil, err
	}
	desc, err := pebble.Peek(dir, fs)
	if err != nil {
		return nil, err
	}
	if desc.Exists {
		intact, err := m.Intact(desc.ManifestFilename)
		if err != nil {
			return nil, err
		}
		if !intact {
			return nil, fmt.Errorf("%w: its manifest %s lacks what was written", errDamaged, fs.PathBase(desc.ManifestFilename))
		}
	}
	return m.Watch(watched), nil
}

// openPebble returns as an error the panic of Pebble when the disk fails while it creates a log.
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

func (s *Store) options(lock *pebble.Lock, fresh bool, cacheBytes int64) *pebble.Options {
	o := &pebble.Options{
		FS:                          s.fs,
		Lock:                        lock,
		Logger:                      disk.NewLogger(s.log, s.fatal),
		EventListener:               s.health.Listener(),
		ErrorIfNotExists:            !fresh,
		FormatMajorVersion:          pebbleFormat,
		CacheSize:                   cacheBytes,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: memTables,
		L0StopWritesThreshold:       neverStall,
		MaxOpenFiles:                maxOpenFiles,
		TargetFileSizes:             [...]int64{0: flushTable, 1: baseTable, 6: 0},
		FlushDelayDeleteRange:       flushDrops,
	}
	o.Experimental.SpanPolicyFunc = func(first []byte) (p pebble.SpanPolicy, end []byte, err error) {
		if s.usage.tenants() <= splitTenants {
			end = keys.TableEnd(first)
		}
		return p, end, nil
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	return o
}

// isFresh reports whether a directory is empty, apart from what an interrupted attempt to create a
// store may have left. Pebble names its manifest in a marker before it creates the first log, and
// from then on there is always a log. The creation of a store ends with a first table, see
// checkFormat.
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
		case file != "LOCK" && file != disk.BallastName && file != disk.ManifestsName && !strings.HasPrefix(file, "marker.") && !strings.HasPrefix(file, "MANIFEST-") && !strings.HasPrefix(file, "OPTIONS-"):
			foreign = file
		}
	}
	switch {
	case desc.Exists && table == "" && log == "" && !slices.Contains(files, desc.ManifestFilename):
		// Power was lost before the folder was synced. Pebble would not find the file that the
		// marker names.
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
