//go:build linux

package disk

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// diskState is the answer of GET /v1/server/disk.
type diskState struct {
	Free, Total, Floor uint64
	Ballast            int64
	Accepting          bool
	Problem            string
}

func stateOf(t *testing.T, server *process.Server) diskState {
	t.Helper()
	return process.Decode[diskState](t, server.Must(t, "GET", "/v1/server/disk", ""))
}

// A server with a floor and a ballast of given sizes refuses new work below the floor, and says so. On a
// full disk it gives up the ballast for deletions and cancellations, and writes it again once there is
// room. Without a ballast, the next server removes the file.
func TestFloorAndBallast(t *testing.T) {
	t.Parallel()
	const floor, ballast = 100 << 20, 5 << 20
	disk := memoryDisk(t, "512m")
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	file := filepath.Join(disk, "data", "store", "ballast")
	server := s.Serve(t, "--disk-floor", "100MB", "--ballast", "5MB")
	if d := stateOf(t, server); !d.Accepting || d.Problem != "" || d.Floor != floor || d.Ballast != ballast || d.Total != 512<<20 || d.Free < floor || d.Free > d.Total {
		t.Errorf("at first the state is %+v", d)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != ballast {
		t.Errorf("the ballast is %v, %v", info, err)
	}
	server.Deploy(t, "stay", process.SleepCode)
	server.Deploy(t, "gone", process.EchoCode)
	server.Deploy(t, "gone-too", process.EchoCode)
	long := server.Submit(t, "stay", `{"n":0,"seconds":600}`)
	ids := server.SubmitBulk(t, "stay", process.SleepArgs(20, 0.1))

	filler := fill(t, disk, floor-1<<20)
	server.Refused(t, http.StatusServiceUnavailable, "unavailable", "PUT", "/v1/functions/", process.FunctionJSON("more", process.EchoCode))
	server.Refused(t, http.StatusServiceUnavailable, "unavailable", "POST", "/v1/functions/stay/rpc/", `{"n":1,"seconds":0}`)
	server.Refused(t, http.StatusServiceUnavailable, "unavailable", "POST", "/v1/tokens/", `{"name":"ci","scope":"read"}`)
	if d := stateOf(t, server); d.Accepting || d.Problem == "" || d.Free >= floor || d.Ballast != ballast {
		t.Errorf("below the floor the state is %+v", d)
	}
	server.WaitLog(t, "the disk is nearly full: nothing new is accepted")
	server.Must(t, "DELETE", "/v1/functions/gone", "")
	server.Must(t, "GET", "/v1/functions/stay", "")
	for i, x := range server.WaitAll(t, ids) { // accepted before
		if x.Status != process.Success {
			t.Errorf("run %d: %s", i, x.Text)
		}
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	filler = fill(t, disk, 0)
	server.Must(t, "DELETE", "/v1/functions/gone-too", "")
	server.Must(t, "DELETE", "/v1/executions/"+long, "")
	server.WaitLog(t, "the ballast is removed")
	if d := stateOf(t, server); d.Accepting || d.Ballast != 0 {
		t.Errorf("on a full disk the state is %+v", d)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	server.WaitLog(t, "there is room again: the ballast is written")
	server.WaitLog(t, "the disk has room again: new work is accepted")
	if d := stateOf(t, server); !d.Accepting || d.Ballast != ballast {
		t.Errorf("with room again the state is %+v", d)
	}
	if x := server.WaitEnd(t, server.Submit(t, "stay", `{"n":8,"seconds":0}`)); string(x.Output) != "8" {
		t.Errorf("with room again: %s", x.Text)
	}

	server.Kill()
	server = s.Serve(t, "--ballast", "0KB")
	if _, err := os.Stat(file); err == nil || stateOf(t, server).Ballast != 0 {
		t.Errorf("a server without a ballast has one: %v", err)
	}
}

// A server with the defaults works on a small disk.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	disk := memoryDisk(t, "160m")
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	server := s.Serve(t)
	if d := stateOf(t, server); !d.Accepting || d.Floor != 20<<20 || d.Ballast != 10<<20 {
		t.Errorf("the state is %+v", d)
	}
	server.Deploy(t, "stay", process.SleepCode)
	for i, x := range server.WaitAll(t, server.SubmitBulk(t, "stay", process.SleepArgs(100, 0))) {
		if x.Status != process.Success {
			t.Errorf("run %d: %s", i, x.Text)
		}
	}
}
