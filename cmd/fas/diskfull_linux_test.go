package main

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
)

// A disk without any room: the server turns work away, or ends with a reason.
// What was accepted is not lost, and what was told does not change.
func TestFullDisk(t *testing.T) {
	disk := memoryDisk(t, "256m")
	s := newSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	server := s.serve(t)
	const size = 20_000 // bytes of a result
	server.deploy(t, "wordy", fmt.Sprintf("def main(args, context): return [args['n'], 'x' * %d]", size))
	ids := server.submitBulk(t, "wordy", numbered(2_000))
	filler := fill(t, disk, 0)

	// It goes on as far as it can: sooner or later there is no room for results.
	told := map[string]string{}
	look := func(server *life) {
		for from := range ids {
			r, err := server.ask(context.Background(), "POST", "/v1/functions/wordy/rpc/", `{"n":0}`)
			if err == nil && r.status != http.StatusServiceUnavailable {
				t.Fatalf("on a full disk: %d %s", r.status, r.body)
			}
			if r, err = server.ask(context.Background(), "GET", "/v1/executions/"+ids[from]+"?wait=3", ""); err != nil {
				server.end(t) // or it does not answer, though it is there
				return
			}
			x := decoded[seen](t, r)
			if !x.done() {
				return // it is stuck
			}
			told[x.ID] = x.text
		}
	}
	look(server)
	select {
	case <-server.exited:
		server.endsWith(t, exitFailure)
		server.saysSoon(t, "no space")
		// By the store, or by Pebble.
		if said := server.said(t); !strings.Contains(said, "no space is left on the disk") && !strings.Contains(said, syscall.ENOSPC.Error()) {
			t.Errorf("it said %s", said)
		}
	default:
		server.kill()
	}
	t.Logf("it ended with %v, when %d ends were told", server.cmd.ProcessState, len(told))
	// Started again, it serves what there is, or says why not.
	if again := s.launch(t); again.ready(t, nil) {
		look(again)
		again.kill()
	} else {
		if status := again.end(t); !status.Exited() || status.ExitStatus() == exitOK {
			t.Errorf("started again, it ended with %v", again.cmd.ProcessState)
		}
		again.saysSoon(t, "no space is left on the disk")
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	server = s.serve(t)
	for i, x := range server.awaitAll(t, ids) {
		x = server.execution(t, x.ID) // with its output
		if x.Status != success || string(x.Output) != fmt.Sprintf("[%d,\"%s\"]", i, strings.Repeat("x", size)) {
			t.Errorf("run %d: %.500s", i, x.text)
		}
		if before, ok := told[x.ID]; ok && before != x.text {
			t.Errorf("%.500s was told, and now %.500s", before, x.text)
		}
	}
	if n := len(server.list(t, url.Values{"function": {"wordy"}, "include_completed": {"True"}})); n != len(ids)+1 { // and its creation
		t.Errorf("%d executions are listed, of %d that were accepted", n-1, len(ids))
	}
}
