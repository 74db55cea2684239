package storage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// clerk makes executions, one millisecond apart, that look like those of a real server.
type clerk struct {
	mu  sync.Mutex
	rng *rand.Rand
	at  time.Time
}

func newClerk() *clerk { return &clerk{rng: rand.New(rand.NewPCG(1, 1)), at: start} }

func (c *clerk) queued() runtime.Execution {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	id := storetest.ID(c.rng, c.at)
	return runtime.Execution{
		ID:         id,
		Caller:     runtime.Caller{UserID: "admin", TraceID: strings.ReplaceAll(id, "-", "")},
		Tenant:     "default",
		Kind:       runtime.KindRun,
		FunctionID: "0197a1b2-0000-7000-8000-000000000000",
		Function:   fmt.Sprint("function", c.rng.IntN(10)),
		Version:    3,
		State:      runtime.StateQueued,
		Created:    c.at,
	}
}

// done returns an execution whose function has printed a line.
func (c *clerk) done() runtime.Execution {
	x := c.queued()
	x.Started = x.Created
	return ended(x)
}

func ended(x runtime.Execution) runtime.Execution {
	x.Finished = x.Started.Add(5 * time.Millisecond)
	x.Usage = runtime.Usage{Duration: 5 * time.Millisecond, Memory: 64 << 20, Pages: 50}
	x.Logs = runtime.Logs{Data: []byte("a line\n"), Marks: []runtime.LogMark{{Stream: 1}}}
	// One in a hundred fails, one in ten thousand times out.
	switch last := x.ID[34:]; {
	case last == "00" && x.ID[32] == '0':
		x.State, x.Failure = runtime.StateTimeout, &runtime.Failure{Class: runtime.ClassTimeout, Message: "its time was up"}
	case last < "03":
		x.State, x.Failure = runtime.StateFailed, &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no"}
	default:
		x.State, x.Result = runtime.StateSucceeded, []byte(`"Hello you"`)
	}
	return x
}

func (c *clerk) batch(n int) (batch []runtime.Accepted) {
	for range n {
		batch = append(batch, runtime.Accepted{Execution: c.queued(), Args: []byte(`{"name":"you"}`)})
	}
	return batch
}

// onRealDisk opens a store in FAASPOT_BENCH_DIR, or in the folder for temporary files, so that
// syncs have their real cost.
func onRealDisk(b *testing.B) *Store {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("FAASPOT_BENCH_DIR"), "faaspot-bench-")
	must(b, err)
	b.Cleanup(func() { must(b, os.RemoveAll(dir)) })
	return openOn(b, vfs.Default, dir)
}

// perSecond reports n things per iteration as a rate.
func perSecond(b *testing.B, n int, what string) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), what+"/s")
}

// BenchmarkRawSync measures what the disk can do: one writer writes and syncs 4 KiB.
func BenchmarkRawSync(b *testing.B) {
	f, err := os.CreateTemp(os.Getenv("FAASPOT_BENCH_DIR"), "faaspot-bench-")
	must(b, err)
	defer os.Remove(f.Name())
	block := make([]byte, 4096)
	for b.Loop() {
		_, err := f.Write(block)
		must(b, err)
		must(b, f.Sync())
	}
	perSecond(b, 1, "syncs")
	must(b, f.Close())
}

func BenchmarkAccept(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			s, c := onRealDisk(b), newClerk()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, _, err := s.Accept(c.batch(1), nil); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			perSecond(b, 1, "executions")
		})
	}
	b.Run("bulk=10000", func(b *testing.B) {
		s, c := onRealDisk(b), newClerk()
		for b.Loop() {
			_, _, err := s.Accept(c.batch(10_000), nil)
			must(b, err)
		}
		perSecond(b, 10_000, "executions")
	})
}

// BenchmarkStartFinish drains a queue that is filled beforehand.
func BenchmarkStartFinish(b *testing.B) {
	for _, size := range []int{1, 64, 1000} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			s, c := onRealDisk(b), newClerk()
			for b.Loop() {
				b.StopTimer()
				batch := c.batch(size)
				_, _, err := s.Accept(batch, nil)
				must(b, err)
				b.StartTimer()
				workOff(b, s, batch, c.at)
			}
			perSecond(b, size, "executions")
		})
	}
}

func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{1, 10, 200} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			s, c := onRealDisk(b), newClerk()
			for b.Loop() {
				b.StopTimer()
				batch := make([]runtime.Execution, size)
				for i := range batch {
					batch[i] = c.done()
				}
				b.StartTimer()
				must(b, s.Record(batch))
			}
			perSecond(b, size, "executions")
		})
	}
}

// BenchmarkRecordLarge records executions with large results. It reports the processor time for each,
// with that of flushes and compactions, and the bytes that tables took for each byte of a result.
func BenchmarkRecordLarge(b *testing.B) {
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("bytes=", size), func(b *testing.B) {
			s, c := onRealDisk(b), newClerk()
			var rows bytes.Buffer
			for i := 0; rows.Len() < size; i++ {
				fmt.Fprintf(&rows, `{"id":%d,"name":"user %d","score":%.6f,"ok":%t},`, i, i*7919%100003, float64(i*7919%10007)/7, i%3 == 0)
			}
			count := max(1, 1_000_000/size)
			before := processorTime(b)
			for b.Loop() {
				batch := make([]runtime.Execution, count)
				for i := range batch {
					batch[i] = c.done()
					batch[i].Result = rows.Bytes()[:size]
				}
				must(b, s.Record(batch))
			}
			n := float64(count * b.N)
			for m := s.db.Metrics(); m.Compact.NumInProgress > 0 || m.Flush.NumInProgress > 0; m = s.db.Metrics() {
				time.Sleep(time.Millisecond)
			}
			total := s.db.Metrics().Total()
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/n, "cpu-us/execution")
			b.ReportMetric(float64(total.TableBytesFlushed+total.TableBytesCompacted)/n/float64(size), "table-bytes/byte")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchHistory fills a store with n executions that are done, 100 queued and 10
// that run.
func benchHistory(b *testing.B, n int) (*Store, *clerk) {
	b.Helper()
	s, c := onRealDisk(b), newClerk()
	batch := s.db.NewBatch()
	for range n {
		x := c.done()
		id, _ := keys.ParseID(x.ID)
		e := newEnds()
		must(b, putDone(batch, e, &x, id))
		must(b, e.put(batch))
		if batch.Len() > 1<<20 {
			must(b, batch.Commit(pebble.NoSync))
			batch = s.db.NewBatch()
		}
	}
	must(b, batch.Commit(pebble.NoSync))
	queued := c.batch(110)
	_, _, err := s.Accept(queued, nil)
	must(b, err)
	for _, a := range queued[:10] {
		_, err := s.Start([]runtime.Lease{{Tenant: "default", ID: a.Execution.ID, Attempt: 1, Started: c.at}})
		must(b, err)
	}
	return s, c
}

func BenchmarkList100(b *testing.B) {
	for _, n := range []int{1_000, 20_000, 1_000_000} {
		s, c := benchHistory(b, n)
		middle := start.Add(time.Duration(n/2) * time.Millisecond)
		for _, filter := range []struct {
			name string
			f    runtime.ExecutionFilter
			from string
		}{
			{"all", runtime.ExecutionFilter{}, ""},
			{"from the middle", runtime.ExecutionFilter{}, storetest.ID(c.rng, middle)},
			{"not done", runtime.ExecutionFilter{States: allStates[:3]}, ""},
			{"queued", runtime.ExecutionFilter{States: allStates[:1]}, ""},
			{"running", runtime.ExecutionFilter{States: allStates[1:3]}, ""},
			{"function", runtime.ExecutionFilter{Function: "function3"}, ""},
			{"failed", runtime.ExecutionFilter{States: []runtime.State{runtime.StateFailed}}, ""},
			{"failed of a function", runtime.ExecutionFilter{Function: "function3", States: []runtime.State{runtime.StateFailed}}, ""},
			{"timeout", runtime.ExecutionFilter{States: []runtime.State{runtime.StateTimeout}}, ""},
			{"time", runtime.ExecutionFilter{After: middle, Before: middle.Add(time.Minute)}, ""},
			{"absent function", runtime.ExecutionFilter{Function: "nothing"}, ""},
		} {
			b.Run(fmt.Sprintf("%s/n=%d", filter.name, n), func(b *testing.B) {
				given := 0
				for b.Loop() {
					page, err := s.ListExecutions("default", filter.f, filter.from, 100)
					must(b, err)
					given = len(page)
				}
				b.ReportMetric(float64(given), "given")
			})
		}
	}
}

// BenchmarkListAfterBulk lists unfinished executions right after many were drained. It is slow if a
// drained queue leaves something behind.
func BenchmarkListAfterBulk(b *testing.B) {
	for _, n := range []int{1_000, 200_000} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			s, c := onRealDisk(b), newClerk()
			for range n / 1000 {
				batch := c.batch(1000)
				_, _, err := s.Accept(batch, nil)
				must(b, err)
				workOff(b, s, batch, c.at)
			}
			for b.Loop() {
				_, err := s.ListExecutions("default", runtime.ExecutionFilter{States: allStates[:3]}, "", 100)
				must(b, err)
			}
		})
	}
}

func BenchmarkPending100000(b *testing.B) {
	s, c := onRealDisk(b), newClerk()
	for range 10 {
		_, _, err := s.Accept(c.batch(10_000), nil)
		must(b, err)
	}
	for b.Loop() {
		n := 0
		must(b, s.EachUnfinished(func(runtime.Execution) error { n++; return nil }))
		if n != 100_000 {
			b.Fatalf("%d are pending", n)
		}
	}
}

func BenchmarkExpire(b *testing.B) {
	s, c := benchHistory(b, 1_000_000)
	for b.Loop() {
		must(b, s.Expire(c.at, runtime.Retention{Count: 900_000}))
	}
}

// workOff starts and ends accepted executions.
func workOff(b *testing.B, s *Store, batch []runtime.Accepted, at time.Time) {
	b.Helper()
	leases, done := make([]runtime.Lease, len(batch)), make([]runtime.Execution, len(batch))
	for i, a := range batch {
		x := a.Execution
		x.Attempt, x.Started = 1, x.Created
		leases[i] = runtime.Lease{Tenant: x.Tenant, ID: x.ID, Attempt: 1, Started: x.Started}
		done[i] = ended(x)
	}
	_, err := s.Start(leases)
	must(b, err)
	_, err = s.Finish(done, at)
	must(b, err)
}
