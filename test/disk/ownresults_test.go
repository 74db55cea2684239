//go:build linux

package disk

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/test/process"
)

// largeCode returns a result of n bytes that does not compress.
const largeCode = "import os\ndef main(args, context): return os.urandom(2_500_000).hex()"

// Large results fill the disk: their runs wait, and everything can be read, cancelled and deleted.
// With room again, all runs end by themselves with their results.
func TestDiskFullOfResults(t *testing.T) {
	t.Parallel()
	disk := memoryDisk(t, "256m")
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	server := s.Serve(t)
	server.Deploy(t, "large", largeCode)
	server.Deploy(t, "gone", process.EchoCode)
	first := server.Submit(t, "gone", `{"n":1}`)
	server.WaitEnd(t, first)
	filler := fill(t, disk, storage.DefaultFloor(256<<20)+24<<20) // for some results
	ids := server.SubmitBulk(t, "large", process.NumberedArgs(12))
	cancelled := ids[len(ids)-1]
	// No result is stored any more: the outcomes of runs that have ended are refused.
	server.WaitLog(t, "outcomes of executions cannot be written")
	if left := room(t, disk); left < storage.DefaultFloor(256<<20)/8 {
		t.Errorf("only %d bytes are left", left)
	}
	server.Must(t, "GET", "/v1/executions/"+first, "")
	server.Must(t, "GET", "/v1/executions/"+first+"/logs", "")
	server.Must(t, "GET", "/v1/executions/"+ids[0], "")
	server.Must(t, "GET", "/v1/executions/?include_completed=True", "")
	server.Must(t, "GET", "/v1/functions/", "")
	server.Must(t, "DELETE", "/v1/executions/"+cancelled, "")
	server.Must(t, "DELETE", "/v1/functions/gone", "")
	server.Must(t, "GET", "/healthz", "")
	process.Until(t, "the server is not ready", func() bool { // the results that still fit are stored
		r, err := server.Do(t.Context(), "GET", "/readyz", "")
		return err == nil && r.Status == http.StatusServiceUnavailable
	})

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for i, x := range server.WaitAll(t, ids) {
		switch x.Status {
		case process.Success:
			if x = server.Execution(t, x.ID); len(x.Output) != 5_000_002 || x.Attempts != 1 {
				t.Errorf("run %d has %d bytes after %d attempts", i, len(x.Output), x.Attempts)
			}
		case process.Cancelled:
			if x.ID != cancelled {
				t.Errorf("run %d is cancelled", i)
			}
		default:
			t.Errorf("run %d: %.200s", i, x.Text)
		}
	}
}

// Another process fills the disk completely: the server does not exit, everything can be read, runs
// can be cancelled and functions deleted, by the room that the ballast has held. With room again,
// everything goes on, and the ballast is there for the next time.
func TestDiskFilledByAnother(t *testing.T) {
	t.Parallel()
	disk := memoryDisk(t, "256m")
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	server := s.Serve(t)
	ballast := filepath.Join(disk, "data", "store", "ballast")
	if info, err := os.Stat(ballast); err != nil || info.Size() != 16<<20 {
		t.Fatalf("the ballast is %v, %v", info, err)
	}
	server.Deploy(t, "stay", process.SleepCode)
	server.Deploy(t, "gone", process.EchoCode)
	ids := server.SubmitBulk(t, "stay", process.SleepArgs(60, 0.2))
	long := server.Submit(t, "stay", `{"n":0,"seconds":600}`)
	filler := fill(t, disk, 0)
	server.Must(t, "DELETE", "/v1/functions/gone", "")
	server.Must(t, "DELETE", "/v1/executions/"+long, "")
	server.Must(t, "GET", "/v1/executions/"+ids[0], "")
	server.Must(t, "GET", "/v1/executions/?include_completed=True", "")
	server.Refused(t, http.StatusServiceUnavailable, "unavailable", "POST", "/v1/functions/stay/rpc/", `{"n":1,"seconds":0}`)
	if _, err := os.Stat(ballast); err == nil {
		t.Error("the ballast is still there")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if x := server.WaitEnd(t, long); x.Status != process.Cancelled {
		t.Errorf("cancelled, it is %s", x.Text)
	}
	for i, x := range server.WaitAll(t, ids) {
		if x.Status != process.Success || string(x.Output) != fmt.Sprint(i) {
			t.Errorf("run %d: %s", i, x.Text)
		}
	}
	process.Until(t, "the ballast is written again", func() bool { _, err := os.Stat(ballast); return err == nil })
	if strings.Contains(server.Log(t), "panic") {
		t.Errorf("the log: %s", server.Log(t))
	}
}
