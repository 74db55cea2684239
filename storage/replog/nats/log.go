package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faaspot/faaspot/storage/replog"
)

const (
	// answerTime is the time after which the result of an append is not known.
	answerTime = 5 * time.Second
	// askTime is the time within which other questions must be answered.
	askTime = 2 * time.Second
	// maxGets is the number of answers in a row that a record is not there, while the log begins before it and ends
	// behind it, after which it is lost. The first quickGets are asked for at once: the log may just have
	// grown beyond the record.
	maxGets   = 100
	quickGets = 3
)

var errClosed = errors.New("the log is closed")

// log is a log on JetStream.
type log struct {
	o      Options
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	closed chan struct{}
	close  func()

	appends, gets, questions silence
}

// Open opens a log. It waits for the servers until ctx ends, and refuses a log that they do not keep as
// safely as it must be.
func Open(ctx context.Context, o Options) (replog.Log, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	conn, err := dial(ctx, &o, o.Auth)
	if err != nil {
		return nil, err
	}
	l := &log{o: o, conn: conn, closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() {
		close(l.closed)
		conn.Close()
	})
	if err = l.open(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// dial connects to one of the servers.
func dial(ctx context.Context, o *Options, auth Auth) (*nats.Conn, error) {
	options, err := o.connect(auth)
	if err != nil {
		return nil, err
	}
	for {
		conn, err := nats.Connect(strings.Join(o.Servers, ","), options...)
		if err == nil {
			return conn, nil
		}
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return nil, fmt.Errorf("the servers of the log refuse the client: %w", err)
		}
		if wait(ctx) != nil {
			return nil, fmt.Errorf("connect to a server of the log: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// wait waits before something is tried again.
func wait(ctx context.Context) error {
	select {
	case <-time.After(reconnectTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open finds or makes the stream, and checks it.
func (l *log) open(ctx context.Context) (err error) {
	l.js, err = jetstream.New(l.conn, jetstream.WithDefaultTimeout(askTime), jetstream.WithPublishAsyncTimeout(answerTime))
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	for {
		began := time.Now()
		err = l.find(ctx)
		l.hear(&l.questions, began, err)
		if err == nil {
			break
		}
		if _, final := errors.AsType[*refusal](err); final {
			return err
		}
		if wait(ctx) != nil {
			return fmt.Errorf("open the log %s: %w", l.o.name(), errors.Join(ctx.Err(), err))
		}
	}
	return l.checkSync(ctx)
}

// find finds or makes the stream.
func (l *log) find(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	l.stream, err = l.js.Stream(ctx, l.o.name())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if !l.o.Create {
			return refuse("create the cluster first, or check the addresses of its servers", "there is no log %s", l.o.name())
		}
		l.stream, err = l.js.CreateStream(ctx, l.o.stream())
	}
	if err != nil {
		return err
	}
	config := l.stream.CachedInfo().Config
	if l.o.Origin != "" && config.Metadata[originName] != l.o.Origin {
		return refuse("choose another name for the cluster", "there is a log %s already, which was made from other data", l.o.name())
	}
	return l.o.checkStream(config)
}

func (l *log) Append(ctx context.Context, after uint64, record []byte) (result func() error) {
	if err := ctx.Err(); err != nil {
		return func() error { return err }
	}
	if len(record) > replog.MaxRecord {
		return func() error { return fmt.Errorf("a record of %d bytes is larger than the log takes", len(record)) }
	}
	began := time.Now()
	sent, err := l.js.PublishMsgAsync(&nats.Msg{Subject: l.o.subject(), Data: record},
		jetstream.WithExpectLastSequence(after), jetstream.WithRetryAttempts(0))
	if err != nil {
		return func() error { return fmt.Errorf("send a record to the log: %w", err) }
	}
	return func() error {
		select {
		case ack := <-sent.Ok():
			l.hear(&l.appends, began, nil)
			if ack.Sequence != after+1 || ack.Stream != l.o.name() {
				return fmt.Errorf("the log has put record %d at place %d of %s", after+1, ack.Sequence, ack.Stream)
			}
			return nil
		case err := <-sent.Err():
			l.hear(&l.appends, began, err)
			if api, ok := errors.AsType[*jetstream.APIError](err); ok &&
				(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
				return replog.ErrConflict
			}
			return fmt.Errorf("append to the log: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closed:
			return errClosed
		}
	}
}

func (l *log) Get(ctx context.Context, seq uint64) ([]byte, error) {
	for gets := range maxGets {
		if gets >= quickGets && wait(ctx) != nil {
			return nil, ctx.Err()
		}
		var m *jetstream.RawStreamMsg
		err := l.ask(ctx, &l.gets, func(ctx context.Context) (err error) {
			m, err = l.stream.GetMsg(ctx, seq) // from the leader, because the stream does not allow others
			return err
		})
		if err == nil {
			return m.Data, nil
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, fmt.Errorf("get a record of the log: %w", err)
		}
		state, err := l.state(ctx)
		switch {
		case err != nil:
			return nil, err
		case seq < state.FirstSeq:
			return nil, replog.ErrTrimmed
		case seq > state.LastSeq:
			return nil, replog.ErrAbsent
		}
		// It has come in between, or it is lost.
	}
	return nil, fmt.Errorf("%w: it lacks record %d, and has others before and behind it", replog.ErrBroken, seq)
}

func (l *log) End(ctx context.Context) (uint64, error) {
	state, err := l.state(ctx)
	return state.LastSeq, err
}

func (l *log) Trim(ctx context.Context, before uint64) error {
	state, err := l.state(ctx)
	if err != nil {
		return err
	}
	before = min(before, state.LastSeq)
	if before <= max(state.FirstSeq, 1) { // NATS takes 0 for everything
		return nil
	}
	err = l.ask(ctx, &l.questions, func(ctx context.Context) error { return l.stream.Purge(ctx, jetstream.WithPurgeSequence(before)) })
	if err != nil {
		return fmt.Errorf("trim the log: %w", err)
	}
	return nil
}

func (l *log) Close() error {
	l.close()
	return nil
}

// Filled implements [replog.Sized].
func (l *log) Filled(ctx context.Context) (part float64, err error) {
	state, err := l.state(ctx)
	if err != nil {
		return 0, err
	}
	most := l.stream.CachedInfo().Config.MaxBytes
	if most <= 0 { // it has no bound
		return 0, nil
	}
	return float64(state.Bytes) / float64(most), nil
}

// state asks the leader for the state of the stream.
func (l *log) state(ctx context.Context) (state jetstream.StreamState, err error) {
	err = l.ask(ctx, &l.questions, func(ctx context.Context) error {
		info, err := l.stream.Info(ctx)
		if err == nil {
			state = info.State
		}
		return err
	})
	if err != nil {
		return state, fmt.Errorf("ask for the end of the log: %w", err)
	}
	return state, nil
}

// ask calls f, which asks a question of a kind, with the time that it may take. It returns the error of ctx if that has ended.
func (l *log) ask(ctx context.Context, kind *silence, f func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	began := time.Now()
	err := f(limited)
	if ended := ctx.Err(); err != nil && ended != nil {
		return ended
	}
	l.hear(kind, began, err)
	return err
}
