package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/replog"
)

const (
	// ownPatience is how long Open waits for the log of a store that it is to own.
	ownPatience = 30 * time.Second
	// logPatience is how long the log may leave a write without an answer before new work is refused.
	logPatience = 5 * time.Second
	// closePatience is how long Close waits for the log to answer writes.
	closePatience = 10 * time.Second
	// logRetry is when a caller may try again what was refused because of the log.
	logRetry = 2 * time.Second
)

// Replication makes a store the replica of a log: every batch is a record of the log before it is applied,
// and the store has exactly what the log says, up to the place that it has applied. One store owns the
// log, and all others follow it; see [Store.Own] and [Store.Follow].
type Replication struct {
	Log        replog.Log // not closed by the store
	Shard      uint16     // the part of all data that the log has
	Generation uint64     // of the log; from 1
	Node       string     // the name of this store, in the log
	// Follow makes Open return a store that does not own the log, and has not asked it yet. Otherwise,
	// Open calls Own.
	Follow bool
	// InFlight is the number of records that may be under way. Zero: [replog.MaxInFlight].
	InFlight int
}

// ErrOutdated reports that a folder belongs to an earlier generation of the log: it needs a copy of another store.
var ErrOutdated = errors.New("it is the replica of an earlier generation of the log")

var (
	// errReplica reports that a folder belongs to a log, or to another one.
	errReplica = errors.New("it is the replica of a log")
	// errAhead reports that a folder has records which the log never had, because a later generation began without them.
	errAhead = errors.New("it has records that the present generation of the log began without")
	// errOther reports that a log was made from another folder.
	errOther = errors.New("the log was made from other data")
	// errUnlogged reports that a folder was used without a log.
	errUnlogged = errors.New("it has records that are not in the log")
)

// role is what a replica may do.
type role byte

const (
	following role = iota
	owning
	lost    // it has owned the log, and another store does now, or the outcome of a write is not known
	stopped // the log is broken
)

// replica is the state of a store that has a log. A nil replica is that of a store alone.
type replica struct {
	Replication
	log *slog.Logger

	turn sync.Mutex // held by Own and Follow
	full atomic.Bool
	// ended ends when Close is called, and end ends it.
	ended context.Context
	end   context.CancelFunc

	mu       sync.Mutex
	role     role
	applied  replog.Position
	durable  uint64           // the sequence up to which applied records are on disk
	pipeline *commit.Pipeline // nil while the store follows
}

// checkReplica checks that the records of a store are those of a log, or of none.
func (s *Store) checkReplica(o *Replication) error {
	applied, err := kv.Find(s.db, keys.Applied(), record.DecodePosition)
	switch {
	case err != nil:
		return err
	case o == nil && applied != nil:
		return fmt.Errorf("%w, and the log is not given", errReplica)
	case o == nil:
		return nil
	case o.Log == nil || o.Generation == 0:
		return errors.New("a log and its generation must be given")
	}
	var base uint64
	var origin []byte
	if l, ok := o.Log.(replog.Founded); ok {
		base, origin = l.Origin()
	}
	switch {
	case applied != nil && applied.Generation < o.Generation && origin != nil && applied.Seq > base:
		return fmt.Errorf("%w: it has records up to %d of generation %d, and generation %d began behind record %d", errAhead, applied.Seq, applied.Generation, o.Generation, base)
	case applied != nil && applied.Generation == o.Generation && origin != nil && applied.Seq <= base && !bytes.Equal(applied.Hash[:], origin):
		return errOther
	case applied != nil && applied.Generation < o.Generation:
		return fmt.Errorf("%w: it has generation %d, and the log has generation %d", ErrOutdated, applied.Generation, o.Generation)
	case applied != nil && applied.Generation != o.Generation:
		return fmt.Errorf("%w of generation %d, and the log has generation %d", errReplica, applied.Generation, o.Generation)
	case applied == nil:
		// Records that are not in the log would not be in its other replicas.
		if _, err := kv.Get(s.db, keys.Format(), record.DecodeNumber); !errors.Is(err, kv.ErrAbsent) {
			return errors.Join(err, errUnlogged)
		}
		applied = &replog.Position{Generation: o.Generation}
	}
	s.replica = &replica{Replication: *o, log: s.log, applied: *applied, durable: applied.Seq}
	s.replica.ended, s.replica.end = context.WithCancel(context.Background())
	if s.replica.InFlight == 0 {
		s.replica.InFlight = replog.MaxInFlight
	}
	s.commits.Follow()
	s.end = append([]io.Closer{s.replica}, s.end...)
	return nil
}

// now returns the present role, and the pipeline of an owner.
func (r *replica) now() (role, *commit.Pipeline) {
	if r == nil {
		return owning, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.role, r.pipeline
}

func (r *replica) set(now role) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.role = now
}

// writable returns why the log refuses writes, or nil.
func (r *replica) writable(need commit.Need) error {
	now, pipeline := r.now()
	switch {
	case now == following:
		return refuse("this node follows another one, which writes", "send the request to the node that owns the data")
	case now != owning:
		return r.problem()
	case r != nil && need == commit.NewWork && r.full.Load():
		return refuse("the replicated log is nearly full", "try again; if this lasts, look at the log of this server for the node that holds it back")
	case pipeline != nil && need == commit.NewWork && pipeline.Waiting() > logPatience:
		return refuse("the replicated log does not answer", "try again; if this lasts, look at the servers of the log")
	}
	return nil
}

// problem returns what is wrong with the replica, or nil.
func (r *replica) problem() *runtime.Error {
	switch now, _ := r.now(); now {
	case lost:
		return refuse("this node does not own the data any more", "send the request to the node that owns the data")
	case stopped:
		return refuse("the replicated log is broken", "see the log of this server, and restore the node from another one")
	}
	return nil
}

func refuse(why, hint string) *runtime.Error {
	err := runtime.Errorf(runtime.CodeUnavailable, "%s", why).WithHint(hint)
	err.RetryAfter = logRetry
	return err
}

// failed is called with the first error of the pipeline.
func (r *replica) failed(err error) error {
	switch {
	case errors.Is(err, replog.ErrFenced):
		r.set(lost)
		r.log.Warn("storage: another node owns the replicated log now", "shard", r.Shard)
		lost := r.problem()
		lost.Err = err
		return lost
	case errors.Is(err, replog.ErrUnknown):
		r.set(lost)
		r.log.Error("storage: it is not known whether the last writes are in the replicated log; this node does not own it any more", "shard", r.Shard, "err", err)
		unknown := refuse("it is not known whether this was stored, because the replicated log does not say so",
			"look whether it was, or repeat the request with the same idempotency key")
		unknown.Err = runtime.ErrUnknownOutcome
		return unknown
	}
	return r.broken(fmt.Errorf("%w: %w", runtime.ErrUnknownOutcome, err)) // of this write and of those that were sent behind it
}

// broken stops a replica whose log is not the one that it has followed. What it has is kept.
func (r *replica) broken(err error) error {
	r.set(stopped)
	r.log.Error("storage: the replicated log is broken; nothing more of it is applied on this node", "shard", r.Shard, "applied", r.Applied(), "err", err)
	stopped := r.problem()
	stopped.Err = err
	return stopped
}

// Applied returns the place up to which the log is applied.
func (r *replica) Applied() replog.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.applied
}

// closing ends Own and Follow, and keeps a store that is being closed from waiting for a log that does not answer,
// until done is called.
func (r *replica) closing() (done func()) {
	if r != nil {
		r.end()
	}
	_, pipeline := r.now()
	if pipeline == nil {
		return func() {}
	}
	timer := time.AfterFunc(closePatience, pipeline.Abandon)
	return func() { timer.Stop() }
}

// Close waits for the results of what is under way.
func (r *replica) Close() error {
	r.end()
	_, pipeline := r.now()
	if pipeline == nil {
		return nil
	}
	return pipeline.Close()
}

// apply applies a batch of the log, or nil, together with its place.
func (s *Store) apply(b *pebble.Batch, at replog.Position) error {
	if b == nil {
		b = s.db.NewBatch()
		defer func() { _ = b.Close() }()
	}
	if err := b.Set(keys.Applied(), record.EncodePosition(at), nil); err != nil {
		return err
	}
	// The log has it durably.
	if err := s.db.Apply(b, pebble.NoSync); err != nil {
		return err
	}
	s.replica.mu.Lock()
	defer s.replica.mu.Unlock()
	s.replica.applied = at
	return nil
}
