package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const showsAll = `
import sys, os
print("deployed")

def main(args, context):
    print("out", args["n"])
    print("err", file=sys.stderr)
    if args.get("raise"):
        raise ValueError("no " + args["raise"])
    return {"n": args["n"], "context": context, "env": os.environ.get("X")}
`

// What a run gets and what it leaves crosses the connection in both directions, unchanged.
func TestRunThroughAWorker(t *testing.T) {
	pool, _ := newPool(t, Options{Workers: 2})
	p := newProgram(showsAll, runtime.Limits{})
	outcome, err := pool.Deploy(t.Context(), p)
	if err != nil || outcome.Failure != nil || string(outcome.Logs.Data) != "deployed\n" {
		t.Fatalf("deployed: %+v, %v", outcome, err)
	}
	for n, secret := range []string{"one", "one", "two"} {
		c := runtime.RunCall{Program: p, Args: fmt.Appendf(nil, `{"n":%d}`, n), Context: fmt.Appendf(nil, `{"secret":%q}`, secret)}
		want := fmt.Sprintf(`{"n":%d,"context":{"secret":%q},"env":null}`, n, secret)
		if n == 1 {
			c.Env, want = []byte(`{"X":"y"}`), strings.Replace(want, "null", `"y"`, 1)
		}
		outcome, err = pool.Run(t.Context(), c)
		if err != nil || outcome.Failure != nil || strings.ReplaceAll(string(outcome.Result), " ", "") != want {
			t.Fatalf("got %s, %+v, %v, want %s", outcome.Result, outcome.Failure, err, want)
		}
		if logs := fmt.Sprintf("out %d\nerr\n", n); string(outcome.Logs.Data) != logs || len(changes(outcome.Logs)) != 2 || outcome.Logs.Began.IsZero() {
			t.Errorf("logs %q, %v, want %q", outcome.Logs.Data, outcome.Logs.Marks, logs)
		}
		if outcome.Usage.Duration <= 0 || outcome.Usage.Memory <= 0 {
			t.Errorf("usage %+v", outcome.Usage)
		}
	}
	outcome, err = pool.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(`{"n":1,"raise":"way"}`), Context: runtime.EmptyObject})
	if f := outcome.Failure; err != nil || f == nil || f.Class != runtime.ClassError || f.Type != "ValueError" || f.Message != "no way" || f.Line != 9 {
		t.Errorf("got %+v, %v", outcome.Failure, err)
	}
	outcome, err = pool.Deploy(t.Context(), newProgram("def main(:", runtime.Limits{}))
	if err != nil || outcome.Failure == nil || outcome.Failure.Type != "SyntaxError" {
		t.Errorf("got %+v, %v", outcome.Failure, err)
	}
}

// Args and results of the largest sizes pass, many at once, and neither side waits for the other for
// ever because both write.
func TestLargeMessages(t *testing.T) {
	pool, _ := newPool(t, Options{})
	p := deployed(t, pool, "def main(args, context):\n    return args['x'][:args['n']]\n", runtime.Limits{Memory: 256 * runtime.MiB})
	var wg sync.WaitGroup
	for i, size := range []int{0, 100, copied, copied + 1, readBuffer, runtime.MiB, 5 * runtime.MiB, 5 * runtime.MiB} {
		wg.Go(func() {
			text := strings.Repeat(string(rune('a'+i)), size)
			outcome, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: fmt.Appendf(nil, `{"x":%q,"n":%d}`, text, size), Context: runtime.EmptyObject})
			if err != nil || outcome.Failure != nil || string(outcome.Result) != `"`+text+`"` {
				t.Errorf("%d bytes: %d bytes, %+v, %v", size, len(outcome.Result), outcome.Failure, err)
			}
		})
	}
	wg.Wait()
}

// A run of a version that is forgotten builds its image again, in whatever worker has its tenant.
func TestForget(t *testing.T) {
	pool, _ := newPool(t, Options{Workers: 2})
	for range 3 {
		p := deployed(t, pool, "import random\nN = random.random()\ndef main(args, context):\n    return N\n", runtime.Limits{})
		first := result(t, pool, p, "{}")
		if again := result(t, pool, p, "{}"); again != first {
			t.Errorf("another image: %s, %s", first, again)
		}
		pool.Forget(p.FunctionID, p.Version)
		if w := pool.share(p.Tenant).current(); w.programs.knows(programKey{p.FunctionID, p.Version}) {
			t.Error("the program is not forgotten")
		}
		result(t, pool, p, "{}")
	}
}

// The output of a run is seen while it runs, in the order in which it was written, and once.
func TestOutputOfARunThatRuns(t *testing.T) {
	pool, _ := newPool(t, Options{})
	p := deployed(t, pool, `
import sys, time
def main(args, context):
    for i in range(args["lines"]):
        print("line", i, file=sys.stderr if i % 3 else sys.stdout, flush=True)
        if i < args["slow"]:
            time.sleep(0.05)
`, runtime.Limits{})
	for _, args := range []string{`{"lines":10,"slow":0}`, `{"lines":10,"slow":5}`, `{"lines":30000,"slow":1}`} {
		logs := runtime.NewLogBuffer(runtime.DefaultLogs)
		seen := make(chan int, 1)
		go func() {
			pages, at := 0, runtime.LogPosition{}
			for {
				page, changed := logs.Page(1, at)
				if at = page.Next; len(page.Logs.Data) > 0 {
					pages++
				}
				if changed == nil && at.Offset == page.Size {
					seen <- pages
					return
				}
				if changed != nil {
					<-changed
				}
			}
		}()
		outcome, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(args), Context: runtime.EmptyObject, Logs: logs})
		if err != nil || outcome.Failure != nil {
			t.Fatalf("%+v, %v", outcome.Failure, err)
		}
		plain, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(args[:strings.Index(args, "slow")] + `slow":0}`), Context: runtime.EmptyObject})
		if err != nil || !bytes.Equal(outcome.Logs.Data, plain.Logs.Data) || fmt.Sprint(changes(outcome.Logs)) != fmt.Sprint(changes(plain.Logs)) || outcome.Logs.Truncated != plain.Logs.Truncated {
			t.Errorf("%s: output that was followed differs: %d bytes, %d", args, len(outcome.Logs.Data), len(plain.Logs.Data))
		}
		if diff := cmp.Diff(outcome.Logs, logs.End()); diff != "" {
			t.Errorf("%s: the buffer has other logs, or times:\n%s", args, diff)
		}
		if pages := <-seen; strings.Contains(args, `"slow":5`) && pages < 2 {
			t.Errorf("%s: all of the output came at the end", args)
		}
	}
}

// The end of a caller's context ends the run.
func TestCancel(t *testing.T) {
	pool, _ := newPool(t, Options{})
	p := deployed(t, pool, "import time\ndef main(args, context):\n    print('begun', flush=True)\n    time.sleep(1000)\n", runtime.Limits{Timeout: time.Hour})
	logs := runtime.NewLogBuffer(runtime.DefaultLogs)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, changed := logs.Page(1, runtime.LogPosition{})
		<-changed
		cancel()
	}()
	outcome, err := pool.Run(ctx, runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject, Logs: logs})
	if err != nil || outcome.Failure == nil || outcome.Failure.Class != runtime.ClassCancelled {
		t.Errorf("got %+v, %v", outcome.Failure, err)
	}
	if string(outcome.Logs.Data) != "begun\n" {
		t.Errorf("its output is %q", outcome.Logs.Data)
	}
}

// testRoom notes what a run lends.
type testRoom struct {
	mu      sync.Mutex
	lent    []int64
	parked  int
	reclaim func(context.Context, time.Duration) error
}

func (r *testRoom) Lend(held int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent = append(r.lent, held)
}

func (r *testRoom) Park(held int64) {
	r.Lend(held)
	r.parked++
}

func (r *testRoom) Reclaim(ctx context.Context, patience time.Duration) error {
	if r.reclaim != nil {
		return r.reclaim(ctx, patience)
	}
	return nil
}

// A run that waits lends its memory in the server, and ends if it cannot have it back.
func TestRoom(t *testing.T) {
	pool, _ := newPool(t, Options{})
	plain := deployed(t, pool, "import time\ndef main(args, context):\n    time.sleep(0.02)\n    return 1\n", runtime.Limits{})
	parks := deployed(t, pool, "import asyncio\nasync def main(args, context):\n    await asyncio.sleep(0.05)\n    return 1\n", runtime.Limits{})
	run := func(ctx context.Context, p runtime.Program, r *testRoom) (runtime.Outcome, error) {
		return pool.Run(ctx, runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject, Room: r})
	}
	for name, p := range map[string]runtime.Program{"lends": plain, "parks": parks} {
		r := &testRoom{}
		outcome, err := run(t.Context(), p, r)
		for n := 0; n < 20 && name == "parks" && err == nil && r.parked == 0; n++ {
			// A run that finds many pages written by others keeps its instance.
			r = &testRoom{}
			outcome, err = run(t.Context(), p, r)
		}
		if err != nil || outcome.Failure != nil || len(r.lent) != 1 || r.lent[0] <= 0 || (r.parked > 0) != (name == "parks") {
			t.Errorf("%s: %+v, %v, lent %v, parked %d", name, outcome.Failure, err, r.lent, r.parked)
		}
		refused := runtime.Errorf(runtime.CodeUnavailable, "no memory")
		refused.RetryAfter = time.Second
		_, err = run(t.Context(), p, &testRoom{reclaim: func(context.Context, time.Duration) error { return refused }})
		if e, ok := runtime.AsError(err); !ok || e.Code != refused.Code || e.Message != refused.Message || e.RetryAfter != refused.RetryAfter {
			t.Errorf("%s: a run without its memory ended with %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		outcome, err = run(ctx, p, &testRoom{reclaim: func(ctx context.Context, _ time.Duration) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}})
		if err != nil || outcome.Failure == nil || outcome.Failure.Class != runtime.ClassCancelled {
			t.Errorf("%s: a run that is cancelled meanwhile ended with %+v, %v", name, outcome.Failure, err)
		}
	}
}

// When a worker ends, its runs end with ErrWorkerLost, and those of others do not notice. Another worker
// takes its place.
func TestDeathOfAWorker(t *testing.T) {
	pool, s := newPool(t, Options{Workers: 2})
	p := deployed(t, pool, "import time\ndef main(args, context):\n    print('begun', flush=True)\n    time.sleep(args['s'])\n    return 1\n", runtime.Limits{})
	other := p
	other.FunctionID = "other"
	for n := 0; pool.share(other.Tenant) == pool.share(p.Tenant); n++ {
		other.Tenant = runtime.Tenant(fmt.Sprint("tenant", n))
	}
	begun := runtime.NewLogBuffer(runtime.DefaultLogs)
	lost, kept := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(`{"s":1000}`), Context: runtime.EmptyObject, Logs: begun})
		lost <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, err := pool.Run(ctx, runtime.RunCall{Program: other, Args: []byte(`{"s":1000}`), Context: runtime.EmptyObject})
		kept <- err
	}()
	_, changed := begun.Page(1, runtime.LogPosition{})
	<-changed
	pool.share(p.Tenant).current().process.Kill()
	if err := <-lost; !errors.Is(err, runtime.ErrWorkerLost) || runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("the run ended with %v", err)
	}
	if got := result(t, pool, p, `{"s":0}`); got != "1" {
		t.Errorf("the next worker returns %s", got)
	}
	select {
	case err := <-kept:
		t.Errorf("a run in another worker ended with %v", err)
	default:
	}
	cancel()
	if err := <-kept; err != nil {
		t.Error(err)
	}
	if n := s.count.Load(); n != 3 {
		t.Errorf("%d workers were started", n)
	}
}

// A function during whose runs two workers ended gets a worker of its own: the runs of others do not end
// with it any more.
func TestSuspectsRunAlone(t *testing.T) {
	pool, _ := newPool(t, Options{})
	p := deployed(t, pool, "import time\ndef main(args, context):\n    print('begun', flush=True)\n    time.sleep(args['s'])\n    return 1\n", runtime.Limits{})
	crash := func() *peer {
		t.Helper()
		logs, ended := runtime.NewLogBuffer(runtime.DefaultLogs), make(chan error, 1)
		_, changed := logs.Page(1, runtime.LogPosition{})
		go func() {
			_, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(`{"s":1000}`), Context: runtime.EmptyObject, Logs: logs})
			ended <- err
		}()
		select {
		case <-changed:
		case err := <-ended:
			t.Fatal(err)
		}
		h, err := pool.hostFor(p.Tenant, p.FunctionID)
		if err != nil {
			t.Fatal(err)
		}
		w := h.current()
		w.process.Kill()
		if err := <-ended; !errors.Is(err, runtime.ErrWorkerLost) {
			t.Fatal(err)
		}
		return w
	}
	if first, second := crash(), crash(); first.host != pool.shared[0] || second.host != pool.shared[0] {
		t.Error("the first two runs were alone")
	}
	if third := crash(); third.host == pool.shared[0] || third.host.key != (ownKey{p.Tenant, p.FunctionID, true}) {
		t.Error("the third run was not alone")
	}
	result(t, pool, p, `{"s":0}`)
	neighbour := deployed(t, pool, "def main(args, context):\n    return 1\n", runtime.Limits{})
	result(t, pool, neighbour, "{}")
	if n := len(pool.Status()); n != 2 {
		t.Errorf("%d workers: %+v", n, pool.Status())
	}
}

// What a worker keeps for later is leased from the budget of the server, and given back when the server
// needs it.
func TestLease(t *testing.T) {
	budget := memory.New(1200*runtime.MiB, quiet)
	pool, _ := newPool(t, Options{Memory: budget})
	others := budget.Open(memory.Options{Name: "others"})
	for range 4 {
		p := deployed(t, pool, "x = bytearray(range(256)) * (40 << 12)\ndef main(args, context):\n    return len(x)\n", runtime.Limits{})
		result(t, pool, p, "{}")
	}
	leases := pool.accounts.leases
	held := leases.Held()
	if held < 160*runtime.MiB {
		t.Errorf("%d bytes are leased for four images of 40 MiB", held)
	}
	n := others.Free() + 30*runtime.MiB
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := others.Take(ctx, n); err != nil {
		t.Fatalf("the workers do not give way: %v, %+v", err, budget.Holders())
	}
	if left := leases.Held(); left > held-30*runtime.MiB {
		t.Errorf("of %d bytes %d are left", held, left)
	}
	others.Give(n)
}

// Nothing is left of a pool whose workers ended in every way: no descriptor, no goroutine (see TestMain)
// and no memory (see poolOf).
func TestNothingIsLeft(t *testing.T) {
	memory.Resident() // keeps a file open
	before := descriptors(t)
	t.Run("pool", func(t *testing.T) {
		pool, _ := newPool(t, Options{Workers: 2, Own: func(tenant runtime.Tenant) bool { return tenant == "own" }})
		p := deployed(t, pool, "import time\ndef main(args, context):\n    time.sleep(args['s'])\n    return 1\n", runtime.Limits{})
		own := p
		own.Tenant = "own"
		result(t, pool, own, `{"s":0}`)
		var short, long sync.WaitGroup
		for i := range 12 {
			[]*sync.WaitGroup{&short, &long}[i%2].Go(func() {
				_, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: fmt.Appendf(nil, `{"s":%d}`, i%2*100), Context: runtime.EmptyObject, Room: &testRoom{}})
				if i%2 == 1 && !errors.Is(err, runtime.ErrWorkerLost) {
					t.Errorf("a run in a worker that was killed ended with %v", err)
				}
			})
		}
		short.Wait()
		for w := pool.share(p.Tenant).current(); w.calls() < 6; { // the long ones
			goruntime.Gosched()
		}
		pool.share(p.Tenant).current().process.Kill()
		long.Wait()
		result(t, pool, p, `{"s":0}`)
	})
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors are open, there were %d", after, before)
	}
}

// descriptors returns the number of open descriptors.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(all)
}

// Tenants are spread evenly over the workers, and each stays with its own.
func TestTenantsAreSpread(t *testing.T) {
	p := &Pool{seed: maphash.MakeSeed()}
	for range 4 {
		p.shared = append(p.shared, &host{})
	}
	tenants := make(map[*host]int)
	for i := range 4000 {
		tenant := runtime.Tenant(fmt.Sprint("tenant", i))
		h := p.share(tenant)
		if p.share(tenant) != h {
			t.Fatalf("%s has two workers", tenant)
		}
		tenants[h]++
	}
	for _, n := range tenants {
		if n < 800 || n > 1200 {
			t.Errorf("a worker has %d of 4000 tenants", n)
		}
	}
}

// Close ends the workers and can be called twice.
func TestClose(t *testing.T) {
	pool, s := newPool(t, Options{Workers: 2, Own: func(tenant runtime.Tenant) bool { return tenant == "own" }})
	p := deployed(t, pool, "def main(args, context):\n    return 1\n", runtime.Limits{})
	p.Tenant = "own"
	result(t, pool, p, "{}")
	if s.count.Load() != 3 {
		t.Errorf("%d workers were started", s.count.Load())
	}
	for range 2 {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := pool.Run(t.Context(), runtime.RunCall{Program: p}); err == nil {
		t.Error("a run after Close succeeds")
	}
}

// A tenant who gets a worker of its own does not wait for the idle one of a tenant who has none any more.
func TestOwnWorkerOfAnother(t *testing.T) {
	var owner atomic.Value
	s := &starter{t: t, serve: hostile(func(*conn, *request) ([]byte, error) { return succeeded, nil })}
	pool := poolOf(t, s, Options{MostOwn: 1, Own: func(tenant runtime.Tenant) bool { return tenant == owner.Load() }})
	for n, tenant := range []runtime.Tenant{"a", "b", "b", "a"} {
		owner.Store(tenant)
		p := newProgram("", runtime.Limits{})
		p.Tenant = tenant
		if _, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject}); err != nil {
			t.Fatalf("run %d, of tenant %s: %v", n, tenant, err)
		}
	}
	if n := s.count.Load(); n != 4 {
		t.Errorf("%d workers were started", n)
	}
}

// changes returns the offsets at which the stream of logs changes.
func changes(logs runtime.Logs) (at []int) {
	for i, m := range logs.Marks {
		if i == 0 || m.Stream != logs.Marks[i-1].Stream {
			at = append(at, m.Offset)
		}
	}
	return at
}
