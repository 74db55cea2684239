//go:build linux

package clients

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

func TestMain(m *testing.M) { process.Main(m) }

// workCode is the function that all jobs and runs of the scripts run.
const workCode = `
import os, time

def main(args, context):
    if args.get("fail"):
        raise ValueError("as asked")
    if "busy" in args:  # and keeps all of its memory
        end = time.monotonic() + args["busy"]
        while time.monotonic() < end:
            pass
    time.sleep(float(args.get("seconds", 0)))
    if "env" in args:
        return os.environ.get(args["env"])
    return args
`

// patience bounds one script.
const patience = 2 * time.Minute

// folders are those that install.sh prints, after the path of Node.js.
type folders struct{ nodejs, node, python, faaspot string }

var install = sync.OnceValues(func() (folders, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./install.sh")
	var said strings.Builder
	cmd.Stderr = io.MultiWriter(os.Stderr, &said)
	out, err := cmd.Output()
	lines := strings.Fields(string(out))
	if err != nil || len(lines) != 4 {
		return folders{}, &installError{said.String(), err}
	}
	return folders{lines[0], lines[1], lines[2], lines[3]}, nil
})

type installError struct {
	said string
	err  error
}

func (e *installError) Error() string { return e.err.Error() + "\n" + e.said }

// packages returns the folders of the installed packages. Where they cannot be installed, it skips
// the test, except in CI.
func packages(t *testing.T) folders {
	t.Helper()
	f, err := install()
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatalf("cannot install the clients: %v", err)
	case err != nil:
		t.Skipf("cannot install the clients: %v", err)
	}
	return f
}

// serve starts a server with the function "work", and memory for one run of 1,024 MB.
func serve(t *testing.T) *process.Server {
	t.Helper()
	server := process.NewSite(t, "--memory-budget", "1400MB", "--egress-allow", "127.0.0.1").Serve(t)
	server.Deploy(t, "work", workCode)
	return server
}

// run runs a script, which must print ok at its end and nothing else.
func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), append([]string{"HOME=" + t.TempDir(), "DO_NOT_TRACK=1", "NO_COLOR=1"}, env...)...)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// node runs a script of testdata/node. It has to be in the folder of the packages to find them.
func node(t *testing.T, server *process.Server, script string, args ...string) {
	t.Helper()
	installed := packages(t)
	text, err := os.ReadFile(filepath.Join("testdata/node", script))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.CreateTemp(installed.node, "*-"+script)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(copied.Name())
	if _, err := copied.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, serverEnv(server), installed.nodejs, append([]string{copied.Name()}, args...)...)
}

// python runs a script of testdata/python.
func python(t *testing.T, server *process.Server, script string, env ...string) {
	t.Helper()
	dir := packages(t).python
	path, err := filepath.Abs(filepath.Join("testdata/python", script))
	if err != nil {
		t.Fatal(err)
	}
	run(t, append(serverEnv(server), env...), filepath.Join(dir, "bin/python"), "-W", "ignore", path)
}

// serverEnv names the server in the variables that the vendors' clients and the scripts read.
func serverEnv(server *process.Server) []string {
	return []string{
		"SERVER=" + server.Base, "TOKEN=" + server.Token,
		"BL_API_URL=" + server.Base + "/v0", "BL_RUN_URL=" + server.Base, "BL_API_KEY=" + server.Token, "BL_WORKSPACE=default",
	}
}

// TestBlaxelClient runs all job operations of three versions of Blaxel's client for TypeScript, and
// what their own integration tests assert.
func TestBlaxelClient(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.3.21", "0.2.71", "0.2.42"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			packages(t)
			server := serve(t)
			if version == "0.3.21" {
				node(t, server, "operations.mjs", "blaxel-"+version)
			}
			node(t, server, "versions.mjs", "blaxel-"+version)
		})
	}
}

// TestBlaxelPythonClient runs all job operations of Blaxel's client for Python.
func TestBlaxelPythonClient(t *testing.T) {
	t.Parallel()
	packages(t)
	python(t, serve(t), "blaxel_jobs.py")
}

// TestFoundryClient searches executions with Palantir's transport packages for TypeScript.
func TestFoundryClient(t *testing.T) {
	t.Parallel()
	packages(t)
	node(t, serve(t), "foundry.mjs")
}

// TestFoundryPythonClient searches executions with Palantir's SDK for Python.
func TestFoundryPythonClient(t *testing.T) {
	t.Parallel()
	packages(t)
	python(t, serve(t), "foundry_search.py")
}

// TestFaaspotClient runs all functions of FaaSpot's last client.
func TestFaaspotClient(t *testing.T) {
	t.Parallel()
	dir := packages(t).faaspot
	python(t, serve(t), "faaspot_client.py", "PYTHONPATH="+dir, "FAASPOT_DIR="+t.TempDir())
}

// TestModelContextProtocol deploys, runs and looks up functions with the protocol's client for Python.
func TestModelContextProtocol(t *testing.T) {
	t.Parallel()
	packages(t)
	python(t, serve(t), "mcp_agent.py", "FAS="+process.Binary(t))
}
