//go:build linux

package disk

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/test/process"
)

// Requests of ioctl(2) that suspend the writes to a file system and let them go on, see fsfreeze(8).
const (
	fiFreeze = 0xC0045877
	fiThaw   = 0xC0045878
)

// freeze suspends all writes to the disk until thaw is called, or skips the test.
func (d *brittleDisk) freeze(t *testing.T) (thaw func()) {
	t.Helper()
	dir, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetInt(int(dir.Fd()), fiFreeze, 0); err != nil {
		dir.Close()
		t.Skipf("cannot suspend the writes to a disk: %v", err)
	}
	frozen := true
	thaw = func() {
		if !frozen {
			return
		}
		frozen = false
		if err := unix.IoctlSetInt(int(dir.Fd()), fiThaw, 0); err != nil {
			t.Errorf("the disk does not go on: %v", err)
		}
		dir.Close()
	}
	t.Cleanup(thaw)
	return thaw
}

// The disk stalls: each write takes longer than a disk may take. The server stays up, says that it is not
// ready and why, and answers what needs no disk. Then the disk goes on: everything that was accepted before
// and meanwhile ends, once.
func TestDiskThatStalls(t *testing.T) {
	t.Parallel()
	disk := newBrittleDisk(t)
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk.dir, "data"))
	server := s.Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	before := server.SubmitBulk(t, "echo", process.NumberedArgs(10))
	thaw := disk.freeze(t)
	meanwhile := process.InBackground(func() (process.Reply, error) {
		return server.Do(t.Context(), "POST", "/v1/functions/echo/rpc/", `{"n":7}`)
	})
	process.Until(t, "the server is not ready", func() bool {
		server.Must(t, "GET", "/healthz", "")
		r, err := server.Do(t.Context(), "GET", "/readyz", "")
		return err == nil && r.Status == http.StatusServiceUnavailable && strings.Contains(string(r.Body), "the disk is very slow")
	})
	select {
	case <-server.Exited:
		t.Fatalf("the server has ended:\n%s", server.Log(t))
	case a := <-meanwhile:
		t.Errorf("a run is answered before the disk has it: %d %s, %v", a.Status, a.Body, a.Err)
		meanwhile = nil
	default:
	}
	server.WaitLog(t, "the disk is slow")
	thaw()
	ids := before
	if meanwhile != nil {
		a := <-meanwhile
		switch {
		case a.Err == nil && a.Status == http.StatusOK:
			ids = append(ids, process.Decode[string](t, a.Reply))
		case a.Err != nil || a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "":
			t.Errorf("the run that was sent meanwhile: %d %s, %v", a.Status, a.Body, a.Err)
		}
	}
	ids = append(ids, server.Submit(t, "echo", `{"n":8}`))
	for _, x := range server.WaitAll(t, ids) {
		if x.Status != process.Success || x.Attempts != 1 {
			t.Errorf("got %s", x.Text)
		}
	}
}
