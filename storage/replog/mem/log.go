// Package mem is a replicated log in the memory of one process, and faults for any log. It is for tests
// and simulations: nothing survives the process.
package mem

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/faaspot/faaspot/storage/replog"
)

var errClosed = errors.New("the log is closed")

// Log is a log in memory. Several clients may share it; see [Log.Client].
type Log struct {
	mu      sync.Mutex
	before  uint64 // the sequence of the record before the first that is there
	records [][]byte
	grown   chan struct{} // closed when a record is added; nil: nobody waits
}

// New returns an empty log.
func New() *Log { return &Log{} }

// NewBehind returns an empty log whose first record has the sequence behind base.
func NewBehind(base uint64) *Log { return &Log{before: base} }

// Clone returns a copy of the log as it is now.
func (l *Log) Clone() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Log{before: l.before, records: slices.Clone(l.records)}
}

// Cut drops the records behind a sequence, as a log does that has lost what it had acknowledged.
func (l *Log) Cut(end uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = l.records[: end-l.before : end-l.before]
}

// Replace puts other bytes in the place of a record, as damage does.
func (l *Log) Replace(seq uint64, record []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = slices.Clone(l.records) // not in clones
	l.records[seq-l.before-1] = record
}

// Client returns a client of the log.
func (l *Log) Client() replog.Log { return &client{log: l, closed: make(chan struct{})} }

func (l *Log) append(after uint64, record []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end() != after {
		return replog.ErrConflict
	}
	l.records = append(l.records, record)
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return nil
}

func (l *Log) end() uint64 { return l.before + uint64(len(l.records)) }

func (l *Log) get(seq uint64) (record []byte, grown <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case seq <= l.before:
		return nil, nil, replog.ErrTrimmed
	case seq <= l.end():
		return l.records[seq-l.before-1], nil, nil
	}
	if l.grown == nil {
		l.grown = make(chan struct{})
	}
	return nil, l.grown, replog.ErrAbsent
}

func (l *Log) trim(before uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before = min(before, l.end()); before > l.before+1 {
		l.records = slices.Clone(l.records[before-1-l.before:])
		l.before = before - 1
	}
}

// client implements replog.Log.
type client struct {
	log    *Log
	once   sync.Once
	closed chan struct{}
}

// gone returns why a call fails that has not begun, or nil.
func (c *client) gone(ctx context.Context) error {
	select {
	case <-c.closed:
		return errClosed
	default:
		return ctx.Err()
	}
}

func (c *client) Append(ctx context.Context, after uint64, record []byte) (wait func() error) {
	err := c.gone(ctx)
	if err == nil && len(record) > replog.MaxRecord {
		err = errors.New("the record is too large")
	}
	if err == nil {
		err = c.log.append(after, record)
	}
	return func() error { return err }
}

func (c *client) Get(ctx context.Context, seq uint64) ([]byte, error) {
	if err := c.gone(ctx); err != nil {
		return nil, err
	}
	record, _, err := c.log.get(seq)
	return record, err
}

func (c *client) Read(ctx context.Context, after uint64, each func(uint64, []byte) error) error {
	for seq := after + 1; ; seq++ {
		record, grown, err := c.log.get(seq)
		for errors.Is(err, replog.ErrAbsent) {
			select {
			case <-grown:
				record, grown, err = c.log.get(seq)
			case <-c.closed:
				return errClosed
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err == nil {
			err = c.gone(ctx)
		}
		if err == nil {
			err = each(seq, record)
		}
		if err != nil {
			return err
		}
	}
}

func (c *client) End(ctx context.Context) (uint64, error) {
	if err := c.gone(ctx); err != nil {
		return 0, err
	}
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.log.end(), nil
}

func (c *client) Trim(ctx context.Context, before uint64) error {
	if err := c.gone(ctx); err != nil {
		return err
	}
	c.log.trim(before)
	return nil
}

func (c *client) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}
