package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/pyguest/instrument"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.wasm"), filepath.Join(dir, "out.wasm")
	if err := os.WriteFile(in, selftest, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	if code := run([]string{"-budget", "5000", in, out}, &stderr); code != 0 {
		t.Fatalf("exit status %d: %s", code, &stderr)
	}
	for _, want := range []string{"loops 2, loop entries 1", "recursive functions 1", "memory.copy 2, memory.fill 1"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr %q has no %q", &stderr, want)
		}
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := instrument.Instrument(selftest, instrument.Options{Budget: 5000})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file is not what Instrument returns; %v", err)
	}
}

func TestRunFails(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(dir, "out.wasm")
	good := file("good.wasm", selftest)
	instrumented, _, err := instrument.Instrument(selftest, instrument.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// A function that leaves nothing where its type requires a number: the instrumenter accepts it,
	// the compiler does not.
	sections, err := wasmbin.Sections(selftest)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sections {
		if s.ID == wasmbin.SectionCode {
			n, _ := s.Reader().Uint32()
			sections[i].Body = append([]byte{byte(n)}, bytes.Repeat([]byte{2, 0, wasmbin.OpEnd}, int(n))...)
		}
	}
	invalid := file("invalid.wasm", wasmbin.Join(sections))

	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"no arguments":    {nil, 2, "usage: instrument"},
		"one argument":    {[]string{good}, 2, "usage: instrument"},
		"unknown flag":    {[]string{"-nonsense", good, out}, 2, "flag provided but not defined"},
		"help":            {[]string{"--help"}, 0, "-leaf-stride"},
		"no file":         {[]string{filepath.Join(dir, "none.wasm"), out}, 1, "no such file"},
		"no module":       {[]string{file("text.wasm", []byte("text")), out}, 1, "not a WebAssembly module"},
		"twice":           {[]string{file("twice.wasm", instrumented), out}, 1, "instrumented already"},
		"bad option":      {[]string{"-stride", "3", good, out}, 1, "LoopStride 3"},
		"too large":       {[]string{"-budget", "99999999999", good, out}, 1, "Budget"},
		"invalid module":  {[]string{invalid, out}, 1, "nothing was written"},
		"unwritable file": {[]string{good, filepath.Join(dir, "none", "out.wasm")}, 1, "no such file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(tt.args, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit status %d, %q; want %d and %q", code, &stderr, tt.code, tt.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("a file was written")
			}
		})
	}
}

// TestSelfTest verifies that the self-test passes under all kinds of options, and fails when there
// are too few yields.
func TestSelfTest(t *testing.T) {
	ctx := context.Background()
	for _, o := range []instrument.Options{
		{},
		{Budget: 1, LoopStride: 2, LeafStride: 2, CopyChunk: 4 << 10},
		{Budget: 1000, LoopStride: 1 << 16, LeafStride: 1 << 16, CopyChunk: 1 << 30},
		{Budget: 1 << 30},
		{Budget: 20_000, LoopStride: 128, LeafStride: 1000},
	} {
		if err := selfTest(ctx, o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	few := selftestTicks
	defer func() { selftestTicks = few }()
	selftestTicks = append(few[:0:0], few[0])
	selftestTicks[0].least, selftestTicks[0].most = 20, 30
	if err := selfTest(ctx, instrument.Options{}); err == nil || !strings.Contains(err.Error(), "yields") {
		t.Errorf("error %v for too few yields", err)
	}
}
