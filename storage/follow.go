package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/replog"
)

const (
	// logPause is the time between two questions to a log that does not answer.
	logPause = 100 * time.Millisecond
	// lostTime is how long a log must answer nothing but that it lacks a record which it had, until that is
	// believed: servers that are behind say so until others are elected.
	lostTime = 20 * time.Second
	// claims is how often Own tries to begin an epoch: a record of the former owner may have been faster.
	claims = 3
)

var (
	// errNoLog reports that a store is alone.
	errNoLog = errors.New("the store has no log")
	// errClosing ends the contexts of Own and Follow when the store is closed.
	errClosing = errors.New("the store is closed")
)

// Follow applies the records of the log as they come, until ctx ends or the store is closed, and calls seen,
// unless it is nil, with each when it is applied, and with what it has changed. Meanwhile the store can be read, also by
// seen, and refuses writes.
// An error that wraps replog.ErrTrimmed means that the log does not have the next record any more: the
// node needs a copy of another one. After replog.ErrBroken, the store follows no longer.
func (s *Store) Follow(ctx context.Context, seen func(replog.Record, Changes)) error {
	const op = "storage.follow"
	ctx, chain, done, err := s.beginFollowing(ctx)
	if err != nil {
		return fault(op, err)
	}
	defer done()
	err = s.replica.Log.Read(ctx, chain.At().Seq, func(seq uint64, bytes []byte) error {
		r, changes, err := s.applyNext(ctx, chain, seq, bytes)
		if err == nil && seen != nil {
			seen(r, changes)
		}
		return err
	})
	return fault(op, s.unlessBroken(ctx, err))
}

// unlessBroken stops the replica if an error says that the log is broken. ctx is that of beginFollowing.
func (s *Store) unlessBroken(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, replog.ErrBroken):
		return s.replica.broken(err)
	case err != nil && errors.Is(context.Cause(ctx), errClosing):
		return closedError()
	}
	return err
}

// beginFollowing returns the chain behind what is applied, when the log has answered that it still has the
// last record of that. Nothing else follows until done is called. The context that it returns ends with that of the
// caller, and when the store is closed.
func (s *Store) beginFollowing(caller context.Context) (ctx context.Context, chain *replog.Chain, done func(), err error) {
	r := s.replica
	if r == nil {
		return nil, nil, nil, errNoLog
	}
	if !r.turn.TryLock() {
		return nil, nil, nil, runtime.Errorf(runtime.CodeConflict, "the store follows its log already")
	}
	if now, _ := r.now(); now != following {
		r.turn.Unlock()
		if err := r.problem(); err != nil {
			return nil, nil, nil, err
		}
		return nil, nil, nil, runtime.Errorf(runtime.CodeConflict, "the store owns its log")
	}
	ctx, cancel := context.WithCancelCause(caller)
	forget := context.AfterFunc(r.ended, func() { cancel(errClosing) })
	done = func() {
		forget()
		cancel(nil)
		r.turn.Unlock()
	}
	if r.ended.Err() != nil {
		done()
		return nil, nil, nil, closedError()
	}
	chain = replog.NewChain(r.Shard, r.Applied())
	if err := s.unlessBroken(ctx, r.compare(ctx, chain)); err != nil {
		done()
		return nil, nil, nil, err
	}
	return ctx, chain, done, nil
}

// compare returns an error that wraps replog.ErrBroken if the log does not have the record that was applied
// last, or another one in its place.
func (r *replica) compare(ctx context.Context, chain *replog.Chain) error {
	seq := chain.At().Seq
	if seq == 0 {
		return nil
	}
	var since time.Time // of the first answer in a row that the record lacks
	for {
		bytes, err := r.Log.Get(ctx, seq)
		switch {
		case err == nil:
			return chain.Follows(bytes)
		case errors.Is(err, replog.ErrTrimmed):
			return nil // the next record says what it follows
		case errors.Is(err, replog.ErrAbsent):
			if since.IsZero() {
				since = time.Now()
			}
			if time.Since(since) > lostTime {
				return fmt.Errorf("%w: it ends before record %d, which was applied", replog.ErrBroken, seq)
			}
		default:
			since = time.Time{}
		}
		select {
		case <-time.After(logPause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// applyNext applies the next record of a log, and returns what it has changed.
func (s *Store) applyNext(ctx context.Context, chain *replog.Chain, seq uint64, bytes []byte) (r replog.Record, c Changes, err error) {
	r, err = chain.Next(seq, bytes)
	if err != nil || r.Kind == replog.KindPart { // which is applied with the last part
		return r, c, err
	}
	if err := s.enter(); err != nil {
		return r, c, err
	}
	defer s.life.RUnlock()
	leave, ok := s.memory.Enter(int64(len(r.Batch)), unflushedLimit, func() bool { return ctx.Err() != nil })
	if !ok {
		return r, c, ctx.Err()
	}
	defer leave()
	b := s.db.NewBatch()
	if r.Kind == replog.KindBatch {
		if err = b.SetRepr(r.Batch); err == nil {
			c, err = changesIn(b)
		}
		if err != nil {
			err = fmt.Errorf("%w: record %d: %w", replog.ErrBroken, seq, err)
		}
	}
	if err == nil {
		err = s.apply(b, r.At)
	}
	r.Batch = nil // the batch has it
	return r, c, errors.Join(err, b.Close())
}

// Own makes a store that follows the owner of its log: it applies all records, begins an epoch at exactly
// the end of the log, and prepares the records for writes. Reads wait for the latter. Nothing may follow the
// log meanwhile. If another store is faster, or the log does not answer until ctx ends, the store still
// follows.
func (s *Store) Own(ctx context.Context) error {
	const op = "storage.own"
	ctx, chain, done, err := s.beginFollowing(ctx)
	if err != nil {
		return fault(op, err)
	}
	defer done()
	for range claims {
		if err := s.unlessBroken(ctx, s.catchUp(ctx, chain)); err != nil {
			return fault(op, err)
		}
		if err = s.claim(ctx, chain); !errors.Is(err, replog.ErrFenced) {
			return fault(op, err)
		}
	}
	return fault(op, claimedError())
}

// OwnAt is like Own for a store that has applied all of the log, which ends with the record seq. If the log
// has a further record, or the store has applied one, it fails with CodeConflict: the owner may be alive.
func (s *Store) OwnAt(ctx context.Context, seq uint64) error {
	const op = "storage.own"
	ctx, chain, done, err := s.beginFollowing(ctx)
	if err != nil {
		return fault(op, err)
	}
	defer done()
	if chain.At().Seq != seq {
		return fault(op, claimedError())
	}
	if err = s.claim(ctx, chain); errors.Is(err, replog.ErrFenced) {
		err = claimedError()
	}
	return fault(op, err)
}

// claimedError returns the error of a store that was not fast enough.
func claimedError() error {
	return &runtime.Error{Code: runtime.CodeConflict, Message: "another node writes to the log", Err: replog.ErrFenced}
}

// claim begins an epoch at exactly the place that a chain has read, and prepares the records for writes.
func (s *Store) claim(ctx context.Context, chain *replog.Chain) error {
	// A store that cannot read the records must not take the log from one that can.
	if err := s.checkReadable(); err != nil {
		return err
	}
	r := s.replica
	w := replog.NewWriter(r.Log, chain, r.InFlight)
	at, err := w.Claim(ctx, r.Node)
	switch {
	case err == nil:
		return s.own(w, at)
	case errors.Is(err, replog.ErrFenced):
		return err
	}
	return s.unlessBroken(ctx, err)
}

// Problem returns why a store with a log can neither follow nor own it any more, or nil.
func (s *Store) Problem() error {
	if problem := s.replica.problem(); problem != nil {
		return problem
	}
	return nil
}

// checkReadable returns why this release, or a store with the present keys, cannot read the records. It writes
// nothing.
func (s *Store) checkReadable() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	_, err := s.findFormat()
	if err == nil {
		_, err = s.keysInUse(s.db.Keys())
	}
	return err
}

// own prepares a store for writes that has claimed its log.
func (s *Store) own(w *replog.Writer, at replog.Position) error {
	r := s.replica
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return closedError()
	}
	if err := s.apply(nil, at); err != nil {
		return err
	}
	r.mu.Lock()
	r.role = owning
	r.pipeline = commit.NewPipeline(commit.PipelineOptions{Writer: w, Apply: s.apply, Failed: r.failed})
	s.commits.Replicate(r.pipeline)
	r.mu.Unlock()
	if err := s.load(); err != nil {
		r.mu.Lock()
		if r.role == owning {
			r.role = lost
		}
		r.mu.Unlock()
		return err
	}
	return nil
}

// catchUp applies all records of a log.
func (s *Store) catchUp(ctx context.Context, chain *replog.Chain) error {
	r := s.replica
	var end uint64
	for {
		var err error
		if end, err = r.Log.End(ctx); err == nil {
			break
		}
		select {
		case <-time.After(logPause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
	if end <= chain.At().Seq {
		return nil
	}
	reached := errors.New("the end is reached")
	err := r.Log.Read(ctx, chain.At().Seq, func(seq uint64, bytes []byte) error {
		if _, _, err := s.applyNext(ctx, chain, seq, bytes); err != nil {
			return err
		}
		if seq >= end {
			return reached
		}
		return nil
	})
	if errors.Is(err, reached) {
		return nil
	}
	return err
}

// Applied returns the place up to which the log is applied. A store without a log has none.
func (s *Store) Applied() (at replog.Position, ok bool) {
	if s.replica == nil {
		return at, false
	}
	return s.replica.Applied(), true
}

// Harden puts what is applied on the disk, and returns the sequence up to which the log may be trimmed for
// this store.
func (s *Store) Harden() (uint64, error) {
	const op = "storage.harden"
	if s.replica == nil {
		return 0, fault(op, errNoLog)
	}
	if err := s.enter(); err != nil {
		return 0, fault(op, err)
	}
	defer s.life.RUnlock()
	seq := s.replica.Applied().Seq
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return 0, fault(op, err)
	}
	r := s.replica
	r.mu.Lock()
	defer r.mu.Unlock()
	r.durable = max(r.durable, seq)
	return r.durable, nil
}

// Trim drops the records of the log before a sequence: the lowest up to which all replicas that count are
// hardened. It drops none that this store would need after a loss of power.
func (s *Store) Trim(ctx context.Context, before uint64) error {
	const op = "storage.trim"
	r := s.replica
	if now, _ := r.now(); r == nil || now != owning {
		return fault(op, errors.New("the store does not own a log"))
	}
	r.mu.Lock()
	before = min(before, r.durable)
	r.mu.Unlock()
	return fault(op, r.Log.Trim(ctx, before))
}

// Abandon ends the wait for writes that the log does not answer, and all later ones. It is not known whether they are in
// the log.
func (s *Store) Abandon() {
	if _, pipeline := s.replica.now(); pipeline != nil {
		pipeline.Abandon()
	}
}

// RefuseNewWork says whether new work is refused because the log is nearly full. What ends work, or frees room, is not.
func (s *Store) RefuseNewWork(full bool) {
	if s.replica != nil {
		s.replica.full.Store(full)
	}
}

// Beat writes to the log that the owner is alive, and returns when that is there: the store still owned the
// log when Beat was called.
func (s *Store) Beat() error {
	const op = "storage.beat"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	now, pipeline := s.replica.now()
	if now != owning || pipeline == nil {
		return fault(op, errors.New("the store does not own a log"))
	}
	return fault(op, pipeline.Beat())
}
