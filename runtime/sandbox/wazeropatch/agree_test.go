package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

var (
	agreeFor  = flag.Duration("agree", 0, "time for which each kind of random program is run by both compilers; needs cargo")
	agreeFrom = flag.Uint64("agree.from", 0, "number of the first random module, and seed of the guest's programs; 0: by the time of day")
)

// modulesOfBatch is the number of random modules that are generated, run and compared at once.
const modulesOfBatch = 1000

// TestCompilersAgree runs random modules, made by wasm-smith, with wazero as released and with the
// patched copy: every call must end the same way, with the same results, globals and memory.
func TestCompilersAgree(t *testing.T) {
	if *agreeFor == 0 {
		t.Skip("takes long; run it with -agree 10m")
	}
	smith := buildSmith(t)
	stock, patched := build(t, "./runtime/sandbox/wazeropatch/wasmrun")
	first := *agreeFrom
	if first == 0 {
		first = uint64(time.Now().Unix()) * 1000
	}
	t.Logf("the first module is %d", first)
	modules := 0
	for end := time.Now().Add(*agreeFor); time.Now().Before(end) && !t.Failed(); first += modulesOfBatch {
		dir := t.TempDir()
		if out, err := exec.Command(smith, strconv.FormatUint(first, 10), strconv.Itoa(modulesOfBatch), dir).CombinedOutput(); err != nil {
			t.Fatalf("smith: %v: %s", err, out)
		}
		want, got := lines(t, stock, dir), lines(t, patched, dir)
		if len(want) != len(got) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				t.Errorf("wazero as released: %s\nthe patched copy:   %s", want[i], got[i])
			}
		}
		modules += modulesOfBatch
		must(t, os.RemoveAll(dir))
	}
	t.Logf("%d modules", modules)
}

// lines returns what a build of wasmrun prints.
func lines(t *testing.T, binary, dir string) [][]byte {
	t.Helper()
	cmd := exec.Command(binary, dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v after %s: %s", filepath.Base(binary), err, lastLine(out), stderr.Bytes())
	}
	return bytes.Split(out, []byte("\n"))
}

func lastLine(out []byte) []byte {
	out = bytes.TrimSpace(out)
	return out[bytes.LastIndexByte(out, '\n')+1:]
}

// TestCompilersAgreeOnTheGuest runs the Python interpreter with wazero as released and with the patched
// copy, with the same clock and random bytes: every run of the corpus and of random programs must
// have the same outcome, and must leave the same memory and globals.
func TestCompilersAgreeOnTheGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the interpreter twice")
	}
	seed := *agreeFrom
	if seed == 0 {
		seed = uint64(time.Now().Unix())
	}
	t.Logf("the seed is %d", seed)
	modfile, err := prepare(root(t), wazeroPatch)
	must(t, err)
	dir := t.TempDir()
	flagsOf := map[string][]string{"stock": nil, "patched": {"-modfile=" + modfile}}
	for name, flags := range flagsOf {
		_, err := goCommand(root(t), slices.Concat([]string{"test", "-c", "-o", filepath.Join(dir, name)}, flags, []string{"./runtime/sandbox"})...)
		must(t, err)
	}
	var recording errgroup.Group
	for name := range flagsOf {
		recording.Go(func() error {
			cmd := exec.Command(filepath.Join(dir, name), "-test.run", "^TestTranscript$", "-test.timeout", "0",
				"-transcript", filepath.Join(dir, name+".txt"), "-transcript.for", agreeFor.String(), "-transcript.seed", strconv.FormatUint(seed, 10))
			cmd.Dir = ".."
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", name, err, out)
			}
			return nil
		})
	}
	must(t, recording.Wait())
	transcript := func(name string) []string {
		content, err := os.ReadFile(filepath.Join(dir, name+".txt"))
		must(t, err)
		return strings.Split(strings.TrimSpace(string(content)), "\n")
	}
	want, got := transcript("stock"), transcript("patched")
	// Both have run for the same time, so that one has done more.
	runs := min(len(want), len(got)) - 1
	if runs < 1 {
		t.Fatal("nothing was run")
	}
	for i := range runs + 1 {
		if want[i] != got[i] {
			t.Fatalf("line %d:\nwazero as released: %s\nthe patched copy:   %s", i+1, want[i], got[i])
		}
	}
	t.Logf("%d runs agree", runs)
}

// buildSmith builds the generator of modules.
func buildSmith(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Fatal("needs cargo, of Rust 1.88 or later")
	}
	target := filepath.Join(root(t), ".cache", "smith")
	cmd := exec.Command("cargo", "build", "--release", "--quiet")
	cmd.Dir = "smith"
	cmd.Env = append(os.Environ(), fmt.Sprintf("CARGO_TARGET_DIR=%s", target))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo: %v: %s", err, out)
	}
	return filepath.Join(target, "release", "smith")
}
