package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stubborn is a program that does not exit when it is interrupted.
func stubborn() {
	ctx, stop := interruptible(context.Background())
	defer stop()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	select {}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "stubborn")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{"ready", "interrupted"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	err = cmd.Wait()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v, want the signal", err)
	}
}

// newEndlessServer starts a server whose executions never end: it accepts runs, reports that they
// run, and closes asked once a client waits for one.
func newEndlessServer(t *testing.T) (address string, asked chan struct{}) {
	t.Helper()
	const id = "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4"
	asked = make(chan struct{})
	var once sync.Once
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server notices the end of its client only after it has read the body
		switch {
		case strings.HasSuffix(r.URL.Path, "/bulk_rpc/"):
			_, _ = io.WriteString(w, `["`+id+`"]`)
			return
		case strings.HasPrefix(r.URL.Path, "/v1/functions/"):
			_, _ = io.WriteString(w, `"`+id+`"`)
			return
		case strings.HasSuffix(r.URL.Path, "/logs"):
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: log\nid: 1.3\ndata: {\"stream\":\"stdout\",\"text\":\"hi\\n\"}\n\n")
			_ = http.NewResponseController(w).Flush()
		case strings.HasPrefix(r.URL.Path, "/v1/executions/") && !r.URL.Query().Has("wait"):
			_, _ = io.WriteString(w, `{"uuid":"`+id+`","name":"slow","status":"Started"}`)
			return
		}
		once.Do(func() { close(asked) })
		<-r.Context().Done()
	}))
	t.Cleanup(web.Close)
	return web.URL, asked
}

// heard records what is written, and closes first at the first write.
type heard struct {
	strings.Builder
	first chan struct{}
	once  sync.Once
}

func (h *heard) Write(p []byte) (int, error) {
	n, err := h.Builder.Write(p)
	h.once.Do(func() { close(h.first) })
	return n, err
}

// Ctrl-C ends a wait, and the command prints how to wait again.
func TestInterruptStopsWaiting(t *testing.T) {
	const id = "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4"
	const logged = "hi\n"
	const trace = "eb5ba08433f573078bcda817cd52c6a1"
	const again = "error: interrupted; the work continues on the server\nhint: `fas executions get " + id + " --wait` waits again, `fas executions cancel " + id + "` stops it\n"
	for name, tc := range map[string]struct {
		signal         os.Signal
		args           string
		status         int
		stdout, stderr string
	}{
		"a run, by one request": {
			os.Interrupt, "functions run slow --wait", 130, "",
			"error: interrupted; the work continues on the server\nhint: `fas executions list -i --function slow` lists it once it is done\n",
		},
		"a run":              {os.Interrupt, "functions run slow --wait --wait-timeout 900", 130, "", again},
		"a run, by SIGTERM":  {syscall.SIGTERM, "functions run slow --wait --retries 0", 143, "", again},
		"an execution":       {os.Interrupt, "executions get " + id + " --wait", 130, "", again},
		"of another profile": {os.Interrupt, "executions get " + id + " --wait --profile test", 130, "", strings.ReplaceAll(strings.ReplaceAll(again, "--wait`", "--wait --profile test`"), "cancel "+id, "cancel "+id+" --profile test")},
		"logs": {
			os.Interrupt, "executions logs " + id + " -f", 130, logged,
			"error: interrupted; the work continues on the server\nhint: `fas executions logs " + id + " -f` follows again, `fas executions cancel " + id + "` stops it\n",
		},
		"many runs": {
			os.Interrupt, "functions run_bulk slow -p n=1 --idempotency-key k --wait", 130, id + "\n",
			"error: interrupted; the work continues on the server\nhint: 0 of 1 runs are done; `fas bulk wait " + trace + "` waits again, `fas bulk cancel " + trace + "` cancels the others\n",
		},
		"many runs, as JSON": {
			os.Interrupt, "functions run_bulk slow -p n=1 --idempotency-key k --wait --json", 130, "[\n  \"" + id + "\"\n]\n",
			"{\n  \"error\": {\n    \"message\": \"interrupted; the work continues on the server\",\n    \"error_code\": \"interrupted\",\n    \"hint\": \"0 of 1 runs are done; `fas bulk wait " +
				trace + "` waits again, `fas bulk cancel " + trace + "` cancels the others\",\n    \"exit_status\": 130\n  }\n}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			address, asked := newEndlessServer(t)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "fas", strings.Fields(tc.args)...)
			cmd.Env = append(os.Environ(), "FAASPOT_CONFIG="+profileFor(t, address), "FAASPOT_TOKEN=t")
			stdout := heard{first: make(chan struct{})}
			var stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waits := asked
			if tc.stdout == logged {
				waits = stdout.first // the log must be printed first
			}
			select {
			case <-waits:
			case <-ctx.Done():
				t.Fatal("the command did not ask")
			}
			if err := cmd.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tc.status {
				t.Errorf("exit status %d, want %d", got, tc.status)
			}
			if diff := cmp.Diff(tc.stdout, stdout.String()); diff != "" {
				t.Errorf("stdout: %s", diff)
			}
			if diff := cmp.Diff(tc.stderr, stderr.String()); diff != "" {
				t.Errorf("stderr: %s", diff)
			}
		})
	}
}
