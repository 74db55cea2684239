//go:build linux

package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestRunsLeaveFilesToOthers: runs that open pairs of sockets as long as they can leave descriptors to
// other tenants, and to the server. None is held afterwards.
func TestRunsLeaveFilesToOthers(t *testing.T) {
	box := openBox(t, Options{})
	box.accounts.files.most = 40
	const code = `
import socket, time
def main(args, context):
    pairs = []
    try:
        while True: pairs.append(socket.socketpair())
    except OSError as error:
        print(len(pairs), error.errno, flush=True)
    if args["waits"]:
        time.sleep(60)
    return len(pairs)
`
	run := func(ctx context.Context, p runtime.Program, args string, logs *runtime.LogBuffer) int {
		o, err := box.Run(ctx, runtime.RunCall{Program: p, Args: []byte(args), Context: runtime.EmptyObject, Room: &room{}, Logs: logs})
		if err != nil || ctx.Err() == nil && o.Failure != nil {
			t.Errorf("run of %s: %v, %+v", p.Tenant, err, o.Failure)
		}
		n := 0
		for _, c := range o.Result {
			n = 10*n + int(c-'0')
		}
		return n
	}
	greedy := deployed(t, box, code, runtime.Limits{Timeout: 60 * time.Second})
	other := greedy
	other.Tenant, other.FunctionID = "other", "other"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	for range 3 {
		go func() {
			run(ctx, greedy, `{"waits":true}`, nil)
			ended <- struct{}{}
		}()
	}
	held := func() (all, tenant int) {
		f := &box.accounts.files
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.all, f.tenants[greedy.Tenant]
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if all, tenant := held(); all == 20 && tenant == 20 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the runs did not take the share of their tenant")
		}
	}
	if got := run(context.Background(), greedy, `{"waits":false}`, nil); got != 0 {
		t.Errorf("a further run of the tenant gets %d pairs", got)
	}
	if got := run(context.Background(), other, `{"waits":false}`, nil); got != 10 {
		t.Errorf("a run of another tenant gets %d pairs, want 10", got)
	}
	cancel()
	for range 3 {
		<-ended
	}
	if all, _ := held(); all != 0 || len(box.accounts.files.tenants) != 0 {
		t.Errorf("%d descriptors are held after all runs", all)
	}
}
