//go:build linux

package kill

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/customers"
	"github.com/faaspot/faaspot/test/process"
)

var operationKills = flag.Int("kill.operations", 0, "number of times that the server is killed while operations run; 0: a few")

const (
	// operationLife bounds the time from when a server is ready until it is killed in the middle of operations.
	operationLife = 150 * time.Millisecond
	// pageOf is the number of executions that an operation deals with before it stores its progress.
	pageOf = 32
)

// operation is an operation on many executions as the server renders it.
type operation struct {
	ID       string `json:"uuid"`
	Kind     string `json:"kind"`
	State    string `json:"state"`
	Trace    string `json:"trace_id"`
	Matched  int    `json:"matched"`
	Done     int    `json:"done"`
	Failed   int    `json:"failed"`
	Skipped  int    `json:"skipped"`
	Finished string `json:"finished"`
	Error    string `json:"error"`
}

func (o operation) String() string {
	return fmt.Sprintf("%s %s: %s, %d matched, %d done, %d failed, %d skipped, %s", o.Kind, o.ID, o.State, o.Matched, o.Done, o.Failed, o.Skipped, o.Error)
}

func startOperation(t *testing.T, server *process.Server, body string) operation {
	t.Helper()
	return process.Decode[operation](t, server.Must(t, "POST", "/v1/operations", body))
}

func readOperation(t *testing.T, server *process.Server, id string) operation {
	t.Helper()
	return process.Decode[operation](t, server.Must(t, "GET", "/v1/operations/"+id, ""))
}

// operationsUnderKill kills the server again and again while operations run.
type operationsUnderKill struct {
	site   *process.Site
	server *process.Server
	rng    *rand.Rand
	seen   map[string]operation // what was read last
	kills  int                  // while one was running, as far as it is known
}

// watch reads operations, and checks that each goes on from what was read before. It returns the number of those
// that run.
func (u *operationsUnderKill) watch(t *testing.T) (running int) {
	t.Helper()
	for id, before := range u.seen {
		now := readOperation(t, u.server, id)
		if now.Matched < before.Matched || now.Done < before.Done || now.Failed > 0 || now.Matched != now.Done+now.Skipped {
			t.Errorf("%s, after %s", now, before)
		}
		if before.State != "running" && now != before {
			t.Errorf("%s has changed to %s", before, now)
		}
		if now.State == "running" {
			running++
		}
		u.seen[id] = now
	}
	return running
}

// kill kills the server, now and then another time before it is ready, and starts it again.
func (u *operationsUnderKill) kill(t *testing.T) {
	t.Helper()
	running := u.watch(t) > 0
	kill := func() {
		u.server.Kill()
		if u.server = u.site.Launch(t); running {
			u.kills++
		}
	}
	if kill(); u.rng.IntN(4) == 0 {
		u.server.Ready(t, time.After(time.Duration(u.rng.Int64N(int64(startTime)))))
		kill()
	}
	if !u.server.Ready(t, nil) {
		t.Fatal("the server no longer starts")
	}
	u.watch(t)
}

// outlive kills the server some times, at once and then at random moments, at most as long as an operation runs, and waits until
// none does.
func (u *operationsUnderKill) outlive(t *testing.T, kills int) {
	t.Helper()
	for n := 0; n < kills && u.watch(t) > 0; n++ {
		if n > 0 {
			time.Sleep(time.Duration(u.rng.Int64N(int64(operationLife))))
		}
		u.kill(t)
	}
	if u.kills == 0 {
		t.Fatal("no operation ran when the server was killed")
	}
	process.Until(t, "the operations are done", func() bool { return u.watch(t) == 0 })
}

// repeats returns how often each execution was repeated in a trace, once all of the repeated runs have ended.
func (u *operationsUnderKill) repeats(t *testing.T, trace string) map[string]int {
	t.Helper()
	times := map[string]int{}
	var ids []string
	for _, x := range u.server.List(t, url.Values{"trace_id": {trace}, "include_completed": {"1"}}) {
		var of struct {
			ID string `json:"rerun_of"`
		}
		if err := json.Unmarshal([]byte(x.Text), &of); err != nil {
			t.Fatal(err)
		}
		times[of.ID]++
		ids = append(ids, x.ID)
	}
	for _, x := range u.server.WaitAll(t, ids) {
		if x.Status != process.Success {
			t.Errorf("a repeated run has ended as %s", x.Text)
		}
	}
	return times
}

// The server is killed again and again in the middle of operations that repeat many executions. They go on, with
// progress that never steps back, and repeat each execution that they select once, and no other.
func TestRerunsOutliveKills(t *testing.T) {
	t.Parallel()
	u, kills := newOperationsUnderKill(t)
	var ids []string
	for _, name := range []string{"bill", "other"} {
		u.server.Deploy(t, name, customers.RaiseCode)
		some := u.server.SubmitBulk(t, name, process.NumberedArgs(25*pageOf))
		for _, x := range u.server.WaitAll(t, some) {
			if x.Status != process.Failed {
				t.Fatalf("%s", x.Text)
			}
		}
		if name == "bill" {
			ids = some
		}
	}
	u.server.Must(t, "PATCH", "/v1/functions/bill", process.FunctionJSON("", process.EchoCode))
	// Two at once: neither may take the runs of the other for its own.
	for _, body := range []string{`{"kind":"rerun","function":"bill"}`, `{"kind":"rerun","function":"bill","where":"status = failed"}`} {
		o := startOperation(t, u.server, body)
		u.seen[o.ID] = o
	}
	u.outlive(t, kills)
	for _, o := range u.seen {
		if o.State != "done" || o.Done != len(ids) || o.Matched != len(ids) || o.Finished == "" {
			t.Errorf("of %d executions: %s", len(ids), o)
		}
		times := u.repeats(t, o.Trace)
		for _, id := range ids {
			if times[id] != 1 {
				t.Errorf("%s was repeated %d times by %s", id, times[id], o)
			}
		}
		if len(times) != len(ids) {
			t.Errorf("%d executions were repeated, not %d", len(times), len(ids))
		}
	}
	u.checkLog(t)
}

// An operation that was cancelled stays so, whenever the server is killed afterwards, and repeats nothing more.
func TestCancelledOperationsOutliveKills(t *testing.T) {
	t.Parallel()
	u, _ := newOperationsUnderKill(t)
	u.server.Deploy(t, "bill", customers.RaiseCode)
	ids := u.server.SubmitBulk(t, "bill", process.NumberedArgs(20*pageOf))
	u.server.WaitAll(t, ids)
	u.server.Must(t, "PATCH", "/v1/functions/bill", process.FunctionJSON("", process.EchoCode))
	for range 3 {
		o := startOperation(t, u.server, `{"kind":"rerun","function":"bill"}`)
		u.seen[o.ID] = o
		process.Until(t, "the operation has begun", func() bool { return readOperation(t, u.server, o.ID).Matched > 0 })
		ended := process.Decode[operation](t, u.server.Must(t, "DELETE", "/v1/operations/"+o.ID, ""))
		u.server.Kill()
		u.server = u.site.Serve(t)
		now := readOperation(t, u.server, o.ID)
		u.seen[o.ID] = now
		if ended.State == "running" || now != ended {
			t.Errorf("%s is now %s", ended, now)
		}
		if times := u.repeats(t, o.Trace); len(times) != ended.Done || len(times) < ended.Matched {
			t.Errorf("%d executions were repeated by %s", len(times), ended)
		}
	}
	u.checkLog(t)
}

// The server is killed again and again in the middle of an operation that cancels many executions. It goes on: in the
// end all are cancelled, no other is, and the count lacks at most a page for each kill.
func TestCancelsOutliveKills(t *testing.T) {
	t.Parallel()
	u, kills := newOperationsUnderKill(t)
	u.server.Deploy(t, "held", "import time\ndef main(args, context): time.sleep(600)", "timeout", 900)
	u.server.Deploy(t, "echo", process.EchoCode)
	ids := u.server.SubmitBulk(t, "held", process.NumberedArgs(40*pageOf))
	u.server.WaitStatus(t, ids[0], process.Started)
	o := startOperation(t, u.server, `{"kind":"cancel","function":"held"}`)
	u.seen[o.ID] = o
	others := u.server.SubmitBulk(t, "echo", process.NumberedArgs(pageOf))
	u.outlive(t, kills)
	if o = u.seen[o.ID]; o.State != "done" || o.Matched > len(ids) || o.Matched < len(ids)-u.kills*pageOf {
		t.Errorf("after %d kills, of %d executions: %s", u.kills, len(ids), o)
	}
	for _, x := range u.server.WaitAll(t, ids) {
		if x.Status != process.Cancelled {
			t.Errorf("%s", x.Text)
		}
	}
	for _, x := range u.server.WaitAll(t, others) {
		if x.Status != process.Success {
			t.Errorf("another function's: %s", x.Text)
		}
	}
	u.checkLog(t)
}

// newOperationsUnderKill starts a server.
func newOperationsUnderKill(t *testing.T) (u *operationsUnderKill, kills int) {
	t.Helper()
	seed := cmp.Or(*killSeed, rand.Uint64())
	t.Logf("-kill.seed=%d", seed)
	s := process.NewSite(t)
	few := 4
	if testing.Short() {
		few = 2
	}
	return &operationsUnderKill{site: s, server: s.Serve(t), rng: rand.New(rand.NewPCG(seed, 0)), seen: map[string]operation{}}, cmp.Or(*operationKills, few)
}

// checkLog checks that no server had anything to complain about.
func (u *operationsUnderKill) checkLog(t *testing.T) {
	t.Helper()
	t.Logf("%d kills while an operation ran; %v", u.kills, slices.Collect(maps.Values(u.seen)))
	logs, err := os.ReadDir(u.site.Home)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range logs {
		if !strings.HasPrefix(entry.Name(), "log-") {
			continue
		}
		text, err := os.ReadFile(u.site.Home + "/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"level":"WARN"`) && !strings.Contains(line, "the disk is slow") || strings.Contains(line, `"level":"ERROR"`) {
				t.Errorf("the log: %s", line)
			}
		}
	}
}
