//go:build linux

package disk

import (
	"context"
	"crypto/sha3"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// On a full disk the server refuses work, or exits with a reason. Accepted runs are not lost, and
// reported states do not change.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := memoryDisk(t, "256m")
	// A start writes the logs of the server before into tables, which frees room. The floor is above it.
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk, "data"), "--disk-floor", "64MB")
	server := s.Serve(t)
	const half = 10_000 // bytes of a result, which do not compress, before they become hexadecimal digits
	server.Deploy(t, "wordy", fmt.Sprintf("import hashlib\ndef main(args, context): return [args['n'], hashlib.shake_256(b'%%d' %% args['n']).hexdigest(%d)]", half))
	ids := server.SubmitBulk(t, "wordy", process.NumberedArgs(2_000))
	filler := fill(t, disk, 0)

	// The server continues as far as it can; at some point there is no room for results.
	reported := map[string]string{}
	look := func(server *process.Server) {
		for from := range ids {
			r, err := server.Do(context.Background(), "POST", "/v1/functions/wordy/rpc/", `{"n":0}`)
			if err == nil && r.Status != http.StatusServiceUnavailable {
				t.Fatalf("on a full disk: %d %s", r.Status, r.Body)
			}
			if r, err = server.Do(context.Background(), "GET", "/v1/executions/"+ids[from]+"?wait=3", ""); err != nil {
				server.Wait(t) // else it runs but does not answer
				return
			}
			x := process.Decode[process.Execution](t, r)
			if !x.Done() {
				return // the server cannot store results
			}
			reported[x.ID] = x.Text
		}
	}
	look(server)
	select {
	case <-server.Exited:
		server.WaitExit(t, process.ExitFailure)
		server.WaitLog(t, "no space")
		// The message is that of the store or of Pebble.
		if said := server.Log(t); !strings.Contains(said, "no space is left on the disk") && !strings.Contains(said, syscall.ENOSPC.Error()) {
			t.Errorf("the log: %s", said)
		}
	default:
		server.Kill()
	}
	t.Logf("it ended with %v, after %d reported ends", server.Cmd.ProcessState, len(reported))
	// The next server serves what exists, or exits with a reason.
	if again := s.Launch(t); again.Ready(t, nil) {
		look(again)
		again.Kill()
	} else {
		if status := again.Wait(t); !status.Exited() || status.ExitStatus() == process.ExitOK {
			t.Errorf("the next server ended with %v", again.Cmd.ProcessState)
		}
		again.WaitLog(t, "no space is left on the disk")
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	server = s.Serve(t)
	for i, x := range server.WaitAll(t, ids) {
		x = server.Execution(t, x.ID) // with its output
		if x.Status != process.Success || string(x.Output) != fmt.Sprintf("[%d,\"%x\"]", i, sha3.SumSHAKE256(strconv.AppendInt(nil, int64(i), 10), half)) {
			t.Errorf("run %d: %.500s", i, x.Text)
		}
		if before, ok := reported[x.ID]; ok && before != x.Text {
			t.Errorf("%.500s was reported, and now %.500s", before, x.Text)
		}
	}
	if n := len(server.List(t, url.Values{"function": {"wordy"}, "include_completed": {"True"}})); n != len(ids)+1 { // and its creation
		t.Errorf("%d executions are listed, of %d that were accepted", n-1, len(ids))
	}
}
