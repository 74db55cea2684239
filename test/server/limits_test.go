//go:build linux

package server

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

const runPath = "/v1/sync/functions/%s/rpc/"

// More endless loops run than there are processors, and none of them has ended when all other
// requests are answered.
func TestServerAnswersDuringEndlessLoops(t *testing.T) {
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "endless", "def main(args, context):\n    while True: pass\n", "timeout", 300)
	server.Deploy(t, "brief", "def main(args, context): return args['n']\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const loops, requests = 8, 30
	ended := make(chan error, loops)
	for range loops {
		go func() {
			_, err := server.Do(ctx, "POST", fmt.Sprintf(runPath, "endless"), "{}")
			ended <- err
		}()
	}
	for i := range requests {
		server.Must(t, "GET", "/healthz", "")
		server.Must(t, "GET", "/readyz", "")
		r := server.Must(t, "POST", fmt.Sprintf(runPath, "brief"), fmt.Sprintf(`{"n":%d}`, i))
		if string(r.Body) != fmt.Sprint(i) {
			t.Fatalf("run %d: %s", i, r.Body)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("an endless loop ended: %v", err)
	default:
	}
}

// Functions ask for more memory than they may have, in ways that differ inside the interpreter.
func TestServerStaysWithinTheMemoryOfItsRuns(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	const limit = 128 // MB
	// beside is what the server needs beside a run: args, results and logs, the next slot, and
	// memory that Go has not collected yet.
	const beside = 96 * runtime.MiB
	server.Deploy(t, "warm", "def main(args, context): return 1\n", "memory", limit)
	server.Must(t, "POST", fmt.Sprintf(runPath, "warm"), "{}")
	server.Peak(t)
	idle := server.Peak(t)
	for i, hog := range []string{
		"bytearray(10**10)",
		"[0] * 10**9",
		"'x' * 2**31",
		"{i: str(i) for i in range(10**9)}",
		"l = []\n    while True: l.append(bytes(10**5))",
		"l = []\n    while True:\n        try: l.append(bytearray(10**7))\n        except MemoryError: l.append(bytes(10))",
		"open('/tmp/f', 'wb').write(bytes(10**8))",
		"while True: print('x' * 10**6)",
	} {
		name := fmt.Sprintf("hog%d", i)
		server.Deploy(t, name, "def main(args, context):\n    "+hog+"\n    return 0\n", "timeout", 1, "memory", limit)
		// How the run ends is checked by other tests.
		r, err := server.Do(t.Context(), "POST", fmt.Sprintf(runPath, name), "{}")
		if err != nil || r.Status == http.StatusNotFound {
			t.Errorf("%s: %d %s, %v", hog, r.Status, r.Body, err)
		}
		if peak := server.Peak(t); peak > idle+limit*runtime.MiB+beside {
			t.Errorf("%s: the server had %d MB, idle it has %d", hog, peak/runtime.MiB, idle/runtime.MiB)
		} else {
			t.Logf("%s: %d MB beyond idle", hog, (peak-idle)/runtime.MiB)
		}
	}
}
