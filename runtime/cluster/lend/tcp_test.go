package lend_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/lend"
	"github.com/faaspot/faaspot/runtime/memory"
)

// overTCP returns a Borrower of a node with places, which it reaches over TCP. stop ends both.
func overTCP(t testing.TB, lender runtime.RunLender) (b *lend.Borrower, own, other *memory.Budget, stop func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own, other = memory.New(hostMemory, quiet), memory.New(hostMemory, quiet)
	s := lend.NewServer(lend.ServerOptions{Lender: lender, Lends: func() bool { return true }, Epoch: func() uint64 { return 1 }, Memory: other, Log: quiet})
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = s.Serve(conn) })
		}
	})
	b = lend.NewBorrower(lend.BorrowerOptions{
		Node: "x", Members: func() []lend.Member { return []lend.Member{{Name: "a", Address: ln.Addr().String()}} }, Memory: own, Log: quiet,
		Dial: func(ctx context.Context, m lend.Member) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", m.Address)
		},
	})
	stop = sync.OnceFunc(func() {
		b.Close()
		s.Close(context.Background())
		_ = ln.Close()
		serving.Wait()
	})
	t.Cleanup(stop)
	b.Start(1)
	b.Collect(t.Context())
	for b.Nodes() == 0 {
		time.Sleep(time.Millisecond)
	}
	return b, own, other, stop
}

// anyone lends places, and answers at once.
type anyone struct {
	places int
	ran    atomic.Int64
	most   atomic.Int64
	now    atomic.Int64
}

func (a *anyone) Lendable() (bytes int64, places int) {
	return 1 << 40, a.places - int(a.now.Load())
}

func (a *anyone) RunLent(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	now := a.now.Add(1)
	defer a.now.Add(-1)
	for most := a.most.Load(); now > most && !a.most.CompareAndSwap(most, now); most = a.most.Load() {
	}
	a.ran.Add(1)
	c.Logs.Append(1, []byte(c.Info.Execution))
	return runtime.Outcome{Result: c.Args, Logs: c.Logs.End()}, nil
}

// runMany runs functions from several goroutines, as many as there are places.
func runMany(t testing.TB, b *lend.Borrower, runs int) {
	var free sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		free.Go(func() {
			for n := next.Add(1); n <= int64(runs); n = next.Add(1) {
				p, ok := b.Take("t", runtime.MiB, 0)
				for ; !ok; p, ok = b.Take("t", runtime.MiB, 0) {
					time.Sleep(100 * time.Microsecond)
				}
				c := call(fmt.Sprint("e", n), 1, order{Print: int(n)})
				o, err := p.Run(t.Context(), c)
				p.Release()
				p.Recorded()
				if errors.Is(err, runtime.ErrPlaceUnused) {
					continue
				}
				if err != nil || string(o.Result) != string(c.Args) || string(o.Logs.Data) != c.Info.Execution {
					t.Errorf("run %d: %+v, %v", n, o, err)
					return
				}
			}
		})
	}
	free.Wait()
}

// Many runs at once over TCP have their own results and output, and never exceed what is granted; nothing is left.
func TestManyRunsOverTCP(t *testing.T) {
	lender := &anyone{places: 16}
	b, own, other, stop := overTCP(t, lender)
	const runs = 5000
	runMany(t, b, runs)
	if n := lender.ran.Load(); n < runs/2 || n > runs {
		t.Errorf("%d of %d runs have begun", n, runs)
	}
	if most := lender.most.Load(); most > 16 {
		t.Errorf("%d runs were on the node at once", most)
	}
	stop()
	if own.Used() != 0 || other.Used() != 0 {
		t.Errorf("%d and %d bytes are held", own.Used(), other.Used())
	}
}

// BenchmarkRunOverTCP measures a run on another node without what the run does, both sides together.
func BenchmarkRunOverTCP(b *testing.B) {
	borrower, _, _, _ := overTCP(b, &anyone{places: 1000})
	b.ResetTimer()
	runMany(b, borrower, b.N)
}
