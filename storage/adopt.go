package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/replog"
)

// Succeeding returns the place at which a generation of a log begins that is made from a store which is at a place, nil: it is
// alone. hash is random, and no other store continues there.
func Succeeding(place *replog.Position, generation uint64, hash [sha256.Size]byte) replog.Position {
	at := replog.Position{Seq: 1} // a new replica, which has none, does not find record 1 in the log
	if place != nil {
		at = *place
	}
	at.Generation, at.Hash = generation, hash
	return at
}

// Adopt makes a store, which no process uses, the first replica of a generation of a log, which begins behind a place that
// [Succeeding] has returned. The store may be alone, or the replica of an earlier generation. Its records are not in the log:
// other replicas begin with a copy. If the store is at that place already, Adopt changes nothing.
func Adopt(o Options, at replog.Position) error {
	if place, err := PlaceOf(o.Dir); err != nil || place != nil && *place == at {
		return err
	}
	return openAlone(o, func(s *Store, applied *replog.Position) error {
		if applied != nil && (applied.Generation >= at.Generation || applied.Seq != at.Seq) {
			return runtime.Errorf(runtime.CodeConflict, "the data are at record %d of generation %d of a log, and cannot begin generation %d behind record %d",
				applied.Seq, applied.Generation, at.Generation, at.Seq)
		}
		return s.db.Set(keys.Applied(), record.EncodePosition(at), pebble.Sync)
	})
}

// Continues returns nil if a log continues behind a place, so that a store which is there can follow it.
func Continues(ctx context.Context, log replog.Log, at replog.Position) error {
	if l, ok := log.(replog.Founded); ok {
		if base, origin := l.Origin(); origin != nil && at.Seq <= base && !bytes.Equal(at.Hash[:], origin) {
			return errOther
		}
	}
	chain := replog.NewChain(0, at)
	text, err := log.Get(ctx, at.Seq)
	switch {
	case err == nil:
		return chain.Follows(text)
	case !errors.Is(err, replog.ErrTrimmed):
		return err
	}
	text, err = log.Get(ctx, at.Seq+1)
	switch {
	case err == nil:
		_, err = chain.Next(at.Seq+1, text)
	case errors.Is(err, replog.ErrAbsent): // it is the origin, which was compared
		err = nil
	}
	return err
}

// PlaceOf returns the place of the log that the replica in a folder has applied, which no process uses; nil: it is not the
// replica of a log.
func PlaceOf(dir string) (at *replog.Position, err error) {
	db, err := openToRead(vfs.Default, dir)
	if err != nil {
		return nil, refusal(dir, err)
	}
	at, err = kv.Find(newDatabase(db, nil), keys.Applied(), record.DecodePosition)
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
