package lend_test

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/lend"
	"github.com/faaspot/faaspot/runtime/memory"
)

// loseAtRandom runs functions on nodes whose connections are lost at random, for owners that replace each other.
func loseAtRandom(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t, 8, "a", "b")
	const runs = 30
	type run struct {
		id      string
		attempt int
		o       order
	}
	some := func(most time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(most))) }
	var left []run // that have not ended
	for i := range runs {
		left = append(left, run{fmt.Sprint("e", i), 1, order{Sleep: some(3 * time.Second), Print: rng.IntN(200)}})
	}
	stop := make(chan struct{})
	var faults sync.WaitGroup
	faults.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 2))
		for {
			select {
			case <-time.After(time.Duration(rng.Int64N(int64(2 * time.Second)))):
			case <-stop:
				return
			}
			h := w.hosts[string(rune('a'+rng.IntN(2)))]
			cut := rng.IntN(3) == 0
			h.set(func() { h.cut = cut })
			h.disconnect()
		}
	})
	var mu sync.Mutex
	var group sync.WaitGroup
	again := func(r run) {
		mu.Lock()
		defer mu.Unlock()
		left = append(left, r)
	}
	follow := func(r run, p runtime.Place, c runtime.RunCall) {
		records := rng.IntN(4) > 0
		if !records {
			p = unrecorded{p}
		}
		ended := begin(t.Context(), p, c)
		group.Go(func() {
			switch got := <-ended; {
			case got.err == nil:
				got.check(t, r.id, r.o)
				if !records { // the next owner may have the end
					r.attempt++
					again(r)
				}
			case errors.Is(got.err, runtime.ErrPlaceLost):
				r.attempt++
				again(r)
			case errors.Is(got.err, runtime.ErrPlaceUnused):
				r.attempt++ // another node may have the attempt
				again(r)
			default:
				t.Errorf("seed %d: %v", seed, got.err)
			}
		})
	}
	for epoch := uint64(1); epoch < 1000; epoch++ {
		b := w.owner(t, fmt.Sprint("x", epoch), epoch)
		if epoch > 1 && rng.IntN(2) == 0 {
			time.Sleep(some(time.Second))
		}
		for _, l := range b.Collect(t.Context()) {
			mu.Lock()
			at := -1
			for i := range left {
				if left[i].id == l.Execution && left[i].attempt == l.Attempt+1 { // it was taken for lost
					at = i
				}
			}
			if at < 0 {
				mu.Unlock()
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				begin(ended, l.Place, runtime.RunCall{})
				continue
			}
			r := left[at]
			left = append(left[:at], left[at+1:]...)
			mu.Unlock()
			r.attempt--
			follow(r, l.Place, call("", 0, r.o))
		}
		for until := time.Now().Add(some(20 * time.Second)); time.Now().Before(until); time.Sleep(some(100 * time.Millisecond)) {
			p, ok := b.Take("t", 1, 0)
			if !ok {
				continue
			}
			mu.Lock()
			if len(left) == 0 {
				mu.Unlock()
				p.Release()
				continue
			}
			r := left[0]
			left = left[1:]
			mu.Unlock()
			follow(r, p, call(r.id, r.attempt, r.o))
		}
		b.Close()
		group.Wait()
		if len(left) == 0 {
			break
		}
	}
	close(stop)
	faults.Wait()
	if len(left) > 0 {
		t.Errorf("seed %d: %d runs have not ended", seed, len(left))
	}
	for _, h := range w.hosts {
		for attempt, n := range h.started() {
			if n > 1 {
				t.Errorf("seed %d: %s has begun %d times on the node %s", seed, attempt, n, h.name)
			}
		}
	}
	time.Sleep(2 * time.Minute)
	w.empty(t)
	if t.Failed() {
		t.FailNow()
	}
}

// What no node sends ends a connection, and nothing else.
func TestHostileMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "a")
		h := w.hosts["a"]
		rng := rand.New(rand.NewPCG(1, 1))
		type key struct {
			Execution string
			Attempt   int
		}
		type sentTake struct {
			Key  key
			From int
		}
		type sentCall struct {
			Tenant string
			Info   runtime.RunInfo
			Bytes  int64
			Args   []byte
		}
		type sentOrder struct {
			Asks         uint64
			Calls        []sentCall
			Takes        []sentTake
			Cancels      []key
			Acks, Drops  []key
			Unknown      string
			Asked, Other []byte
		}
		k := key{"e", -1}
		for i, message := range []any{
			"text", 7,
			struct{ Owner int }{7},
			sentOrder{Asks: ^uint64(0)},
			sentOrder{Takes: []sentTake{{k, -5}, {k, 1 << 60}}},
			sentOrder{Cancels: []key{k, k}, Acks: []key{k, k}, Drops: []key{k, k}},
			sentOrder{Calls: []sentCall{{Bytes: -1}, {Bytes: 1 << 62}, {Bytes: 1 << 62}, {Info: runtime.RunInfo{Execution: "e"}}, {Info: runtime.RunInfo{Execution: "e"}, Args: []byte("}")}}},
			sentOrder{Asks: 1, Calls: []sentCall{{Args: []byte("[")}}, Unknown: "x"},
		} {
			conn, err := h.connect()
			if err != nil {
				t.Fatal(err)
			}
			out := gob.NewEncoder(conn)
			go func() { _, _ = conn.Read(make([]byte, 1<<20)) }()
			if i > 2 {
				_ = out.Encode(struct {
					Owner string
					Epoch uint64
				}{"x", 1})
			}
			_ = out.Encode(message)
			time.Sleep(time.Minute)
			_ = conn.Close()
		}
		// No more begins than was granted, of runs and of bytes.
		h.set(func() { h.bytes = 3 })
		conn, err := h.connect()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		out := gob.NewEncoder(conn)
		_ = out.Encode(struct {
			Owner string
			Epoch uint64
		}{"x", 1})
		_ = out.Encode(sentOrder{Asks: 1})
		time.Sleep(time.Second)
		for i := range 20 {
			bytes := int64(0)
			if i < 2 {
				bytes = 1
			}
			_ = out.Encode(sentOrder{Calls: []sentCall{{Info: runtime.RunInfo{Execution: fmt.Sprint("many", i)}, Bytes: bytes, Args: order{Sleep: time.Second}.args()}}})
		}
		time.Sleep(100 * time.Millisecond)
		if now, begun := h.now, h.started(); now != 4 || begun["many0/0"] != 1 {
			t.Errorf("%d runs of a flood have begun", now)
		}
		_ = out.Encode(sentOrder{Calls: []sentCall{{Info: runtime.RunInfo{Execution: "large"}, Bytes: 4, Args: order{}.args()}}})
		time.Sleep(5 * time.Second)
		_ = out.Encode(sentOrder{Calls: []sentCall{{Info: runtime.RunInfo{Execution: "large"}, Bytes: 4, Args: order{}.args()}}})
		time.Sleep(100 * time.Millisecond)
		if h.started()["large/0"] > 0 {
			t.Error("a run has begun that may use more bytes than were granted")
		}
		_ = conn.Close()
		h.set(func() { h.bytes = 1 << 40 })
		for range 200 {
			conn, err := h.connect()
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = conn.Read(make([]byte, 1<<20)) }()
			junk := make([]byte, rng.IntN(300))
			for i := range junk {
				junk[i] = byte(rng.IntN(256))
			}
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write(junk)
			_ = conn.Close()
		}
		time.Sleep(2 * time.Minute)
		w.empty(t)
		b := w.owner(t, "x", 1) // it serves as before
		b.Collect(t.Context())
		settled()
		(<-begin(t.Context(), take(t, b), runCall("whole"))).check(t, "whole", order{})
	})
}

// A node that sends what it may not loses the connection, and the owner goes on.
func TestHostileNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Uint64
		account := memory.New(hostMemory, quiet)
		b := lend.NewBorrower(lend.BorrowerOptions{
			Node: "x", Members: func() []lend.Member { return []lend.Member{{Name: "evil"}} }, Memory: account, Log: quiet,
			Dial: func(context.Context, lend.Member) (net.Conn, error) {
				own, other := net.Pipe()
				rng := rand.New(rand.NewPCG(1, dials.Add(1)))
				go func() {
					defer other.Close()
					go func() {
						for {
							if _, err := other.Read(make([]byte, 1<<10)); err != nil {
								return
							}
						}
					}()
					out := gob.NewEncoder(other)
					type key struct {
						Execution string
						Attempt   int
					}
					type offered struct {
						Key   key
						Bytes int64
					}
					_ = out.Encode(struct{ Runs []offered }{[]offered{{key{"e", 1}, -1 << 62}, {key{"e", 1}, 5}}})
					switch rng.IntN(3) {
					case 0:
						_ = out.Encode("text")
					case 1:
						type output struct {
							Key  key
							Logs runtime.Logs
						}
						type end struct {
							Key     key
							Outcome runtime.Outcome
						}
						type grant struct{ Bytes, Runs int64 }
						_ = out.Encode(struct {
							Answers uint64
							Grant   grant
							Logs    []output
							Ends    []end
						}{1, grant{-1, 1 << 40}, []output{{key{"e", 1}, runtime.Logs{Data: []byte("x"), Marks: []runtime.LogMark{{Stream: 1}, {Offset: 7, Stream: 2}}}}}, []end{{Key: key{"f", 1}}}})
					default:
						junk := make([]byte, rng.IntN(300))
						for i := range junk {
							junk[i] = byte(rng.IntN(256))
						}
						_, _ = other.Write(junk)
					}
				}()
				return own, nil
			},
		})
		defer b.Close()
		b.Start(1)
		for _, r := range b.Collect(t.Context()) {
			begin(t.Context(), r.Place, runtime.RunCall{})
		}
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			if p, ok := b.Take("t", 1, 0); ok {
				begin(t.Context(), p, runCall("e"))
			}
		}
		b.Close()
		synctest.Wait()
		if used := account.Used(); used != 0 {
			t.Errorf("%d bytes are held", used)
		}
	})
}

// A node of the former release forgets an end, also one of a run that it has offered to this owner before, when that has recorded it.
func TestFormerReleaseForgetsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct {
			Execution string
			Attempt   int
		}
		type grant struct {
			Bytes int64
			Runs  int
		}
		type end struct{ Key key }
		acks, drops := make(chan key, 10), make(chan key, 10)
		b := lend.NewBorrower(lend.BorrowerOptions{
			Node: "x", Members: func() []lend.Member { return []lend.Member{{Name: "a"}} }, Memory: memory.New(hostMemory, quiet), Log: quiet,
			Dial: func(context.Context, lend.Member) (net.Conn, error) {
				own, other := net.Pipe()
				go func() {
					defer other.Close()
					in, out := gob.NewDecoder(other), gob.NewEncoder(other)
					var hello struct{ Owner string }
					if in.Decode(&hello) != nil || out.Encode(struct{ Server string }{"s"}) != nil {
						return
					}
					for {
						var o struct {
							Asks        uint64
							Calls       []struct{ Info runtime.RunInfo }
							Acks, Drops []key
						}
						if in.Decode(&o) != nil {
							return
						}
						for _, k := range o.Acks {
							acks <- k
						}
						for _, k := range o.Drops {
							drops <- k
						}
						var ends []end
						for _, c := range o.Calls {
							ends = append(ends, end{key{c.Info.Execution, c.Info.Attempt}})
						}
						if out.Encode(struct {
							Answers uint64
							Grant   grant
							Ends    []end
						}{o.Asks, grant{1 << 40, 10}, ends}) != nil {
							return
						}
					}
				}()
				return own, nil
			},
		})
		defer b.Close()
		b.Start(1)
		b.Collect(t.Context())
		settled()
		if r := <-begin(t.Context(), take(t, b), runCall("e")); r.err != nil {
			t.Fatal(r.err)
		}
		time.Sleep(time.Second)
		for what, got := range map[string]chan key{"forget it": acks, "drop it": drops} {
			if len(got) != 1 || <-got != (key{"e", 1}) {
				t.Errorf("the node was not asked once to %s", what)
			}
		}
	})
}
