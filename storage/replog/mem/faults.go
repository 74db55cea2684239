package mem

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/faaspot/faaspot/storage/replog"
)

// ErrFault is the error of a call that a fault has hit.
var ErrFault = errors.New("the log does not answer")

// Op is what is done with a log.
type Op int

// The operations that faults hit.
const (
	Append Op = iota
	Get
	Read // before each record
	End
	Trim
)

// Fault is what goes wrong with an operation.
type Fault struct {
	Kind FaultKind
	// Delay is how long the answer takes. Appends are in order all the same.
	Delay time.Duration
}

// FaultKind is the kind of a fault.
type FaultKind int

// The kinds of faults. All but Lost are for appends only.
const (
	// None: there is none.
	None FaultKind = iota
	// Lost: the call does not reach the log, and fails.
	Lost
	// Unanswered: the append reaches the log, and its answer is lost.
	Unanswered
	// Late: the append fails, and reaches the log with one of the next calls: a Get that looks for it
	// does not find it yet, and all after that do.
	Late
	// Twice: the append reaches the log twice, and the answer is that of the first.
	Twice
)

// faulty is a log with faults.
type faulty struct {
	replog.Log
	fault func(Op) Fault

	mu   sync.Mutex
	late []func()
}

// RandomFaults returns a function for [WithFaults]: faults of all kinds for one call in several, with delays
// below longest. The same seed gives the same sequence.
func RandomFaults(seed uint64, oneIn int, longest time.Duration) func(Op) Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(Op) Fault {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(oneIn) > 0 {
			return Fault{}
		}
		return Fault{Kind: FaultKind(rng.IntN(int(Twice) + 1)), Delay: time.Duration(rng.Int64N(int64(longest)))}
	}
}

// WithFaults returns a log whose calls go wrong as fault decides, which is called concurrently.
func WithFaults(l replog.Log, fault func(Op) Fault) replog.Log {
	return &faulty{Log: l, fault: fault}
}

// deliver lets appends arrive that are late.
func (f *faulty) deliver() {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	for _, arrive := range late {
		arrive()
	}
}

func (f *faulty) Append(ctx context.Context, after uint64, record []byte) func() error {
	fault := f.fault(Append)
	failed := func() error { return ErrFault }
	var wait func() error
	switch fault.Kind {
	case Lost:
		wait = failed
	case Unanswered:
		inner := f.Log.Append(ctx, after, record)
		wait = func() error { _ = inner(); return ErrFault }
	case Late:
		f.mu.Lock()
		f.late = append(f.late, func() { _ = f.Log.Append(context.WithoutCancel(ctx), after, record)() })
		f.mu.Unlock()
		wait = failed
	case Twice:
		inner, again := f.Log.Append(ctx, after, record), f.Log.Append(ctx, after, record)
		wait = func() error { _ = again(); return inner() }
	default:
		wait = f.Log.Append(ctx, after, record)
	}
	return func() error {
		err := wait()
		if pause(ctx, fault.Delay) != nil {
			return ctx.Err()
		}
		return err
	}
}

// before does what comes before a call other than an append.
func (f *faulty) before(ctx context.Context, op Op) error {
	fault := f.fault(op)
	if err := pause(ctx, fault.Delay); err != nil {
		return err
	}
	if fault.Kind == Lost {
		return ErrFault
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *faulty) Get(ctx context.Context, seq uint64) ([]byte, error) {
	if err := f.before(ctx, Get); err != nil {
		return nil, err
	}
	defer f.deliver()
	return f.Log.Get(ctx, seq)
}

func (f *faulty) Read(ctx context.Context, after uint64, each func(uint64, []byte) error) error {
	// A client of a log connects again by itself: a fault is a pause for it.
	return f.Log.Read(ctx, after, func(seq uint64, record []byte) error {
		for {
			err := f.before(ctx, Read)
			if err == nil {
				return each(seq, record)
			}
			if !errors.Is(err, ErrFault) {
				return err
			}
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	})
}

func (f *faulty) End(ctx context.Context) (uint64, error) {
	f.deliver()
	if err := f.before(ctx, End); err != nil {
		return 0, err
	}
	return f.Log.End(ctx)
}

func (f *faulty) Trim(ctx context.Context, before uint64) error {
	if err := f.before(ctx, Trim); err != nil {
		return err
	}
	return f.Log.Trim(ctx, before)
}
