package storage

import (
	"crypto/rand"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/replog"
)

// Adopt makes a store, which no process uses, the first replica of a generation of a log. The store may be alone, or the
// replica of an earlier generation. Its records are not in the log, which must be made to begin behind the place that
// Adopt returns: other replicas begin with a copy. The hash of that place is random, so that no other store continues
// there. If the store belongs to that generation already, Adopt returns its place, and changes nothing.
func Adopt(o Options, generation uint64) (at replog.Position, err error) {
	err = openAlone(o, func(s *Store, applied *replog.Position) error {
		switch {
		case applied == nil:
			at = replog.Position{Seq: 1} // a new replica, which has none, does not find record 1 in the log
		case applied.Generation == generation:
			at = *applied
			return nil
		case applied.Generation > generation:
			return runtime.Errorf(runtime.CodeConflict, "the data are of generation %d of a log, which is later than %d", applied.Generation, generation)
		default:
			at = *applied
		}
		at.Generation = generation
		rand.Read(at.Hash[:])
		return s.db.Set(keys.Applied(), record.EncodePosition(at), pebble.Sync)
	})
	return at, err
}

// PlaceOf returns the place of the log that the replica in a folder has applied, which no process uses; nil: it is not the
// replica of a log.
func PlaceOf(dir string) (at *replog.Position, err error) {
	db, err := openToRead(vfs.Default, dir)
	if err != nil {
		return nil, refusal(dir, err)
	}
	at, err = kv.Find(&database{db, nil}, keys.Applied(), record.DecodePosition)
	return at, errors.Join(err, db.Close())
}

// Detach makes the replica of a log, which no process uses, a store alone.
func Detach(o Options) error {
	return openAlone(o, func(s *Store, _ *replog.Position) error { return s.db.Delete(keys.Applied(), pebble.Sync) })
}

// openAlone opens a store without its log, and calls f with the place of the log that it has applied, nil: none.
func openAlone(o Options, f func(*Store, *replog.Position) error) error {
	o.Replication, o.adopting = nil, true
	s, err := Open(o)
	if err != nil {
		return err
	}
	applied, err := kv.Find(s.db, keys.Applied(), record.DecodePosition)
	if err == nil {
		err = f(s, applied)
	}
	return errors.Join(fault("storage.adopt", err), s.Close())
}
