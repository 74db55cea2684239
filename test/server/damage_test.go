//go:build linux

package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// Bytes are flipped in each file of a data folder, one file at a time. The server refuses to start, or
// exits with the reason when it reads them, or has everything as it was; it serves nothing wrong.
func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := process.NewSite(t)
	server := s.Serve(t)
	server.Deploy(t, "echo", process.EchoCode, "context", map[string]string{"secret": "x"})
	ids := server.SubmitBulk(t, "echo", process.NumberedArgs(300))
	server.WaitAll(t, ids)
	server.Kill()
	server = s.Serve(t) // writes tables of what the log has
	server.Deploy(t, "late", process.EchoCode)
	server.Kill()
	files := contents(t, s.Data)
	ended := map[string]int{}
	for path, data := range files {
		name, err := filepath.Rel(s.Data, path)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			restore(t, s.Data, files)
			harmed := []byte(string(data))
			for range 3 {
				harmed[rng.IntN(len(harmed))] ^= byte(1 + rng.IntN(255))
			}
			if err := os.WriteFile(path, harmed, 0o600); err != nil {
				t.Fatal(err)
			}
			how := rightOrRefused(t, s, ids)
			t.Log(how)
			ended[how]++
		})
	}
	if ended["refused"] == 0 {
		t.Errorf("no damage was noticed: %v", ended)
	}
}

// restore gives the files of a folder their contents, and removes all others.
func restore(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for path := range contents(t, dir) {
		if _, ok := files[path]; !ok {
			os.Remove(path)
		}
	}
	for path, data := range files {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// rightOrRefused starts a server on a damaged folder, and says what has become of it.
func rightOrRefused(t *testing.T, s *process.Site, ids []string) string {
	t.Helper()
	l := s.Launch(t)
	defer l.Kill()
	if !l.Ready(t, nil) {
		checkRefusal(t, l)
		return "refused"
	}
	for n, id := range ids {
		r, err := l.Do(context.Background(), "GET", "/v1/executions/"+id, "")
		if err != nil {
			l.WaitExit(t, process.ExitFailure)
			if !strings.Contains(l.Log(t), "it is damaged") {
				t.Errorf("the log:\n%s", l.Log(t))
			}
			return "exited"
		}
		if r.Status != http.StatusOK || string(process.Decode[process.Execution](t, r).Output) != fmt.Sprintf(`{"n":%d,"square":%d}`, n, n*n) {
			t.Errorf("run %d: %d %s", n, r.Status, r.Body)
		}
	}
	if r := l.Must(t, "POST", fmt.Sprintf(runPath, "echo"), `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
		t.Errorf("a run: %s", r.Body)
	}
	return "right"
}

// checkRefusal checks that a server that has not started has said why. Of tables that contradict each
// other, Pebble says so with a panic.
func checkRefusal(t *testing.T, l *process.Server) {
	t.Helper()
	status, said := l.Wait(t), l.Log(t)
	why := strings.Contains(said, "hint:") || strings.Contains(said, "restore the folder from a backup") ||
		strings.Contains(said, "pebble: invariant violation")
	if !status.Exited() || status.ExitStatus() == process.ExitOK || !why {
		t.Errorf("it ended with %v:\n%s", l.Cmd.ProcessState, said)
	}
}
