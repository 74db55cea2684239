//go:build linux

package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

const workCode = `
import os, time

def main(args, context):
    if args.get("fail"):
        raise ValueError("as asked")
    time.sleep(args.get("seconds", 0))
    return os.environ.get(args.get("env", ""), args)
`

// TestBlaxelClient runs all job operations of the client that the vendor of the dialect publishes.
func TestBlaxelClient(t *testing.T) {
	t.Parallel()
	client := blaxelClient(t)
	// There is memory for one large run.
	server := process.NewSite(t, "--memory-budget", "1400MB", "--egress-allow", "127.0.0.1").Serve(t)
	server.Deploy(t, "work", workCode)
	cmd := exec.CommandContext(t.Context(), "node", "run.mjs")
	cmd.Dir = client
	cmd.Env = append(os.Environ(),
		"HOME="+t.TempDir(), "DO_NOT_TRACK=1", "NO_COLOR=1",
		"BL_API_URL="+server.Base+"/v0", "BL_API_KEY="+server.Token, "BL_WORKSPACE=default")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Fatalf("%v\n%s", err, out)
	}
}

// blaxelClient returns a folder with the client and the script that uses it. The client is
// downloaded once per version of the lock file.
func blaxelClient(t *testing.T) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") != "" {
		missing = t.Fatalf
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing("the vendor's client needs %s: %v", tool, err)
		}
	}
	const from = "testdata/blaxel-client"
	files := []string{"package.json", "package-lock.json", ".npmrc"}
	sum := sha256.New()
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(text)
	}
	cache, err := filepath.Abs("../../.cache/blaxel-client")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if testing.Short() {
			t.Skip("the vendor's client is not downloaded yet")
		}
		if err := os.MkdirAll(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		tmp, err := os.MkdirTemp(cache, "fetching-*")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(tmp)
		for _, name := range files {
			copyFile(t, filepath.Join(from, name), filepath.Join(tmp, name))
		}
		npm := exec.CommandContext(t.Context(), "npm", "ci")
		npm.Dir = tmp
		if said, err := npm.CombinedOutput(); err != nil {
			missing("cannot download the vendor's client: %v\n%s", err, said)
		}
		if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	copyFile(t, filepath.Join(from, "run.mjs"), filepath.Join(dir, "run.mjs"))
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
