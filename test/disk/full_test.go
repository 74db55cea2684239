//go:build linux

package disk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A disk without any room: the server turns work away, or ends with a reason.
// What was accepted is not lost, and what was told does not change.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := memoryDisk(t, "256m")
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	server := s.Serve(t)
	const size = 20_000 // bytes of a result
	server.Deploy(t, "wordy", fmt.Sprintf("def main(args, context): return [args['n'], 'x' * %d]", size))
	ids := server.SubmitBulk(t, "wordy", process.NumberedArgs(2_000))
	filler := fill(t, disk, 0)

	// It goes on as far as it can: sooner or later there is no room for results.
	told := map[string]string{}
	look := func(server *process.Server) {
		for from := range ids {
			r, err := server.Do(context.Background(), "POST", "/v1/functions/wordy/rpc/", `{"n":0}`)
			if err == nil && r.Status != http.StatusServiceUnavailable {
				t.Fatalf("on a full disk: %d %s", r.Status, r.Body)
			}
			if r, err = server.Do(context.Background(), "GET", "/v1/executions/"+ids[from]+"?wait=3", ""); err != nil {
				server.Wait(t) // or it does not answer, though it is there
				return
			}
			x := process.Decode[process.Execution](t, r)
			if !x.Done() {
				return // it is stuck
			}
			told[x.ID] = x.Text
		}
	}
	look(server)
	select {
	case <-server.Exited:
		server.WaitExit(t, process.ExitFailure)
		server.WaitLog(t, "no space")
		// By the store, or by Pebble.
		if said := server.Log(t); !strings.Contains(said, "no space is left on the disk") && !strings.Contains(said, syscall.ENOSPC.Error()) {
			t.Errorf("it said %s", said)
		}
	default:
		server.Kill()
	}
	t.Logf("it ended with %v, when %d ends were told", server.Cmd.ProcessState, len(told))
	// Started again, it serves what there is, or says why not.
	if again := s.Launch(t); again.Ready(t, nil) {
		look(again)
		again.Kill()
	} else {
		if status := again.Wait(t); !status.Exited() || status.ExitStatus() == process.ExitOK {
			t.Errorf("started again, it ended with %v", again.Cmd.ProcessState)
		}
		again.WaitLog(t, "no space is left on the disk")
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	server = s.Serve(t)
	for i, x := range server.WaitAll(t, ids) {
		x = server.Execution(t, x.ID) // with its output
		if x.Status != process.Success || string(x.Output) != fmt.Sprintf("[%d,\"%s\"]", i, strings.Repeat("x", size)) {
			t.Errorf("run %d: %.500s", i, x.Text)
		}
		if before, ok := told[x.ID]; ok && before != x.Text {
			t.Errorf("%.500s was told, and now %.500s", before, x.Text)
		}
	}
	if n := len(server.List(t, url.Values{"function": {"wordy"}, "include_completed": {"True"}})); n != len(ids)+1 { // and its creation
		t.Errorf("%d executions are listed, of %d that were accepted", n-1, len(ids))
	}
}
