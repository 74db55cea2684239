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

// The disk fails, and the kernel makes it read-only. The server exits. Once the disk is repaired,
// everything that was acknowledged exists.
func TestDiskThatFails(t *testing.T) {
	t.Parallel()
	disk := newBrittleDisk(t)
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk.dir, "data"))
	server := s.Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	var ids []string
	add := func(n int) error {
		r, err := server.Do(context.Background(), "POST", "/v1/functions/echo/bulk_rpc/", process.JSONArray(process.NumberedArgs(n)))
		if err == nil && r.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", r.Status, r.Body)
		}
		if err == nil {
			ids = append(ids, process.Decode[[]string](t, r)...)
		}
		return err
	}
	if err := add(100); err != nil {
		t.Fatal(err)
	}
	fill(t, disk.behind, 4<<20) // a few seconds of writing
	var refused error
	for refused == nil {
		refused = add(1_000)
	}
	t.Logf("after %d were accepted: %v", len(ids), refused)
	// If Pebble ends the process, it is by a panic with status 2.
	if status := server.Wait(t); !status.Exited() || status.ExitStatus() == process.ExitOK {
		t.Errorf("it ended with %v", server.Cmd.ProcessState)
	}
	talk, err := os.ReadFile(server.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(talk), syscall.EIO.Error()) && !strings.Contains(string(talk), fmt.Sprintf("%T(%d)", syscall.EIO, syscall.EIO)) {
		t.Errorf("the log:\n%s", talk)
	}
	again := s.Launch(t)
	if again.Ready(t, nil) {
		t.Fatal("the server starts on a failed disk")
	}
	again.WaitExit(t, process.ExitUnavailable)
	again.WaitLog(t, "the file system is read-only")

	disk.mend(t)
	server = s.Serve(t)
	for _, x := range server.WaitAll(t, ids) {
		if x.Status != process.Success {
			t.Errorf("got %s", x.Text)
		}
	}
	// Of the request without an answer all runs may exist, or none.
	if n := len(server.List(t, url.Values{"function": {"echo"}, "include_completed": {"True"}})) - 1; n != len(ids) && n != len(ids)+1_000 {
		t.Errorf("%d executions are listed, of %d that were accepted", n, len(ids))
	}
}
