package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/faaspot/faaspot/storage/replog"
)

const (
	// readAhead bounds the records that were received and not read yet, in bytes.
	readAhead = 8 << 20
	// heartbeat is the time between two signs of life of an idle reader's server; one that gives two
	// less is gone.
	heartbeat = time.Second
	// readerTime is the time after which a server forgets a reader that is gone.
	readerTime = 30 * time.Second
)

// errAgain reports that a reader must be made again.
var errAgain = errors.New("the reader has ended")

// stopped is an error of the caller of Read.
type stopped struct{ error }

func (l *log) Read(ctx context.Context, after uint64, each func(seq uint64, record []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() { // iterators do not end with the connection
		select {
		case <-l.closed:
			cancel()
		case <-done:
		}
	}()
	next := after + 1
	for {
		err := l.readFrom(ctx, &next, each)
		if ended, ok := errors.AsType[stopped](err); ok {
			return ended.error
		}
		select {
		case <-l.closed:
			return errClosed
		default:
		}
		if errors.Is(err, replog.ErrTrimmed) || errors.Is(err, replog.ErrBroken) {
			return err
		}
		if wait(ctx) != nil {
			select {
			case <-l.closed:
				return errClosed
			default:
			}
			return ctx.Err()
		}
	}
}

// missed returns why a reader did not get a record, when it got one behind it.
func (l *log) missed(ctx context.Context, seq uint64) error {
	_, err := l.Get(ctx, seq)
	if errors.Is(err, replog.ErrTrimmed) || errors.Is(err, replog.ErrBroken) {
		return err
	}
	return errAgain
}

// forget makes the server forget a reader now, and not after readerTime: their number is bounded.
func (l *log) forget(ctx context.Context, reader jetstream.Consumer) {
	if info := reader.CachedInfo(); info != nil {
		_ = l.ask(ctx, &l.questions, func(ctx context.Context) error { return l.stream.DeleteConsumer(ctx, info.Name) })
	}
}

// readFrom reads until its reader ends. next is the sequence of the next record.
func (l *log) readFrom(ctx context.Context, next *uint64, each func(seq uint64, record []byte) error) error {
	state, err := l.state(ctx)
	if err != nil {
		return err
	}
	if *next < state.FirstSeq {
		return replog.ErrTrimmed
	}
	var reader jetstream.Consumer
	var messages jetstream.MessagesContext
	err = l.ask(ctx, &l.questions, func(ctx context.Context) (err error) {
		reader, err = l.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *next, InactiveThreshold: readerTime, MaxResetAttempts: 1,
		})
		if err == nil {
			messages, err = reader.Messages(jetstream.PullMaxBytes(readAhead), jetstream.PullHeartbeat(heartbeat))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		switch seq := meta.Sequence.Stream; {
		case seq < *next:
			continue // again, from a reader that was made again
		case seq > *next:
			messages.Stop()
			l.forget(ctx, reader)
			return l.missed(ctx, *next)
		}
		if err := each(*next, m.Data()); err != nil {
			return stopped{err}
		}
		*next++
	}
}
