package replog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	// ErrFenced reports that another writer has begun an epoch. Nothing of the write is in the log,
	// and nothing ever will be.
	ErrFenced = errors.New("another writer owns the log")
	// ErrUnknown reports that it is not known whether a write is in the log, or will be.
	ErrUnknown = errors.New("it is not known whether this was written to the log")
)

const (
	// firstPause and lastPause are the times between two looks for a record whose fate is not known.
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
	// lostAnswers is the number of answers in a row that a log is shorter than it was, after which
	// that is believed: one from a server that is behind is none.
	lostAnswers = 30
)

// Writer writes to a log, as the only writer of its epoch. It looks up what became of an append before
// it repeats it: an append that has failed may be in the log, and may still arrive.
type Writer struct {
	log   Log
	shard uint16
	slots chan struct{} // one per record in flight

	mu sync.Mutex // held while records are sent
	at Position   // of the last record that was sent

	settled uint64 // the sequence of the last record that is in the log; of the caller of Settle
}

// Append is a record on its way.
type Append struct {
	At   Position // its place, if it arrives
	Last bool     // of its batch
	raw  []byte
	// wait returns the first result.
	wait func() error
}

// NewWriter returns a writer behind the end of the log that a chain has read. It writes nothing else
// before it has claimed the log. At most inFlight of its records, and MaxInFlight, wait for their results
// at once.
func NewWriter(log Log, read *Chain, inFlight int) *Writer {
	return &Writer{
		log: log, shard: read.shard, at: read.at, settled: read.at.Seq, slots: make(chan struct{}, min(inFlight, MaxInFlight)),
	}
}

// Claim begins an epoch at exactly the place that was read, and returns the place behind which batches
// follow. ErrFenced: another writer has been faster, or was so before all records had arrived that an
// earlier one may have had in flight.
func (w *Writer) Claim(ctx context.Context, owner string) (Position, error) {
	if len(owner) > maxOwner {
		return Position{}, fmt.Errorf("the name of the owner has %d bytes, at most %d are possible", len(owner), maxOwner)
	}
	if err := w.step(ctx, record{kind: KindEpoch, body: epochBody(owner)}); err != nil {
		return Position{}, err
	}
	for beyond := w.at.Seq + MaxInFlight - 1; w.at.Seq < beyond; {
		before := w.at
		err := w.step(ctx, record{kind: KindNothing})
		if errors.Is(err, ErrFenced) {
			err = w.pass(ctx, before)
		}
		if err != nil {
			return Position{}, err
		}
	}
	return w.at, nil
}

// step sends a record, and waits for its result.
func (w *Writer) step(ctx context.Context, r record) error {
	var one Append
	err := w.send(ctx, []record{r}, func(a Append) { one = a })
	if err == nil {
		err = w.Settle(ctx, one)
	}
	return err
}

// pass continues behind a record that another writer had in flight, which has taken the place behind
// before. ErrFenced: it is of a later epoch.
func (w *Writer) pass(ctx context.Context, before Position) error {
	found, err := w.log.Get(ctx, before.Seq+1)
	for pause := firstPause; err != nil && !errors.Is(err, ErrTrimmed) && !errors.Is(err, ErrBroken); pause = min(2*pause, lastPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnknown, errors.Join(ctx.Err(), err))
		}
		found, err = w.log.Get(ctx, before.Seq+1)
	}
	if errors.Is(err, ErrBroken) {
		return err
	}
	if err != nil {
		return ErrFenced
	}
	stray, err := decode(found)
	if err != nil {
		return err
	}
	if stray.at.Epoch >= before.Epoch {
		return ErrFenced
	}
	w.at = before
	w.at.Seq++
	w.settled = w.at.Seq
	<-w.slots
	return nil
}

// SendBatch sends a batch, in one or more records. sent is called with each, in the order of all
// records of the writer; the batch is in the log when the last one is settled. An error, which is that
// of ctx, means that the batch is not in the log, and that nothing may be sent any more.
func (w *Writer) SendBatch(ctx context.Context, batch []byte, sent func(Append)) error {
	if len(batch) > MaxBatch {
		return fmt.Errorf("a batch of %d bytes is larger than a log takes (%d)", len(batch), MaxBatch)
	}
	bodies := pack(batch)
	records := make([]record, len(bodies))
	for i, body := range bodies {
		records[i] = record{kind: KindPart, body: body}
	}
	records[len(records)-1].kind = KindBatch
	return w.send(ctx, records, sent)
}

// SendNothing sends a record that changes nothing, as SendBatch does.
func (w *Writer) SendNothing(ctx context.Context, sent func(Append)) error {
	return w.send(ctx, []record{{kind: KindNothing}}, sent)
}

// send sends records behind each other, with none of another call between them.
func (w *Writer) send(ctx context.Context, records []record, sent func(Append)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.shard, r.at = w.shard, w.at
		r.at.Seq++
		if r.kind == KindEpoch {
			r.at.Epoch++
		}
		a := Append{At: r.at, Last: r.kind != KindPart, raw: r.encode()}
		a.At.Hash = sha256.Sum256(a.raw)
		a.wait = w.log.Append(ctx, w.at.Seq, a.raw)
		w.at = a.At
		sent(a)
	}
	return nil
}

// Settle returns what has become of a record: nil when it is in the log, durably; ErrFenced; ErrUnknown
// if that cannot be found out until ctx ends, or if the record that took its place was trimmed; or ErrBroken, if the log has lost what it had before. All
// records must be settled in the order in which they were sent, and none after an error.
func (w *Writer) Settle(ctx context.Context, a Append) error {
	err := a.wait()
	if err != nil {
		err = w.resolve(ctx, a)
	}
	if err == nil {
		w.settled = a.At.Seq
		<-w.slots // after an error, no more records than MaxInFlight behind the settled one may be sent
	}
	return err
}

// resolve finds out what has become of a record, and sends it again if its place is free: only one of
// the two can take it, and both are the same.
func (w *Writer) resolve(ctx context.Context, a Append) error {
	lost := 0
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		found, err := w.log.Get(ctx, a.At.Seq)
		switch {
		case err == nil && bytes.Equal(found, a.raw):
			return nil
		case err == nil:
			return ErrFenced
		case errors.Is(err, ErrBroken):
			return err
		case errors.Is(err, ErrTrimmed):
			// It may have been this one: others have applied it then.
			return fmt.Errorf("%w: record %d: %w", ErrUnknown, a.At.Seq, err)
		case errors.Is(err, ErrAbsent):
			if err = w.log.Append(ctx, a.At.Seq-1, a.raw)(); err == nil {
				return nil
			}
			end, endErr := w.log.End(ctx)
			if endErr != nil || end >= w.settled {
				lost = 0
			} else if lost++; lost == lostAnswers {
				return broken("it ends at record %d, and has had %d", end, w.settled)
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnknown, errors.Join(ctx.Err(), err))
		}
	}
}
