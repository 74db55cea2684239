package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

var engineBench = bench{
	name: "engine",
	how: "`BenchmarkPristine` and `BenchmarkWarm` of `runtime/sandbox` alternately: a call of `Hello %s` that restores the interpreter " +
		"afterwards, and one that does not. Medians of all repetitions. The second row is of wazero as released, whose machine code is slower.",
	rows: []row{
		{
			what: "engine: pristine run of a trivial function / the same call in a warm interpreter without isolation", part: "run",
			of: "pristine", peer: "warm", goal: "at most 2.5x", holds: ratioAtMost(2.5), limit: "one processor: the guest's code, and restoring its pages",
		},
		{
			what: "engine: (pristine - warm) / warm, on wazero as released", part: "isolation",
			of: "pristine - warm", peer: "warm", goal: "at most 0.25x", holds: ratioAtMost(0.25), limit: "one processor: finding the pages that a run has written, and restoring them",
		},
	},
	measure: measureEngine,
}

// measureEngine runs BenchmarkTurns of runtime/sandbox with the wazero that the server has, and with
// the released one.
func measureEngine(ctx context.Context, l *lab) ([]measured, error) {
	built, err := l.turns(ctx, l.modfile)
	if err != nil {
		return nil, err
	}
	released, err := l.turns(ctx, "")
	if err != nil {
		return nil, err
	}
	through := func(t turns) string {
		return fmt.Sprintf("the same call through `Sandbox.Run`, which also acquires a slot and a processor: %v", t.run)
	}
	return []measured{
		{value: built.pristine, peer: built.warm, notes: []string{"with " + l.wazero(), through(built)}},
		{
			value: quantity{released.pristine.n - released.warm.n, inSeconds}, peer: released.warm,
			notes: []string{
				through(released),
				fmt.Sprintf("with %s: %.2f", l.wazero(), (built.pristine.n-built.warm.n)/built.warm.n),
			},
		},
	}, nil
}

// turns are the parts of BenchmarkTurns: a call of the trivial function without and with restoring
// the interpreter, and the latter through Sandbox.Run.
type turns struct{ warm, pristine, run quantity }

// turns runs BenchmarkTurns, which alternates between its parts, and returns their medians.
func (l *lab) turns(ctx context.Context, modfile string) (turns, error) {
	length := "500ms"
	if l.quick {
		length = "200ms"
	}
	lines, err := l.goBench(ctx, modfile, "^BenchmarkTurns$", "-test.benchtime", length)
	if err != nil {
		return turns{}, err
	}
	times := map[string][]float64{}
	for _, line := range lines {
		times[line.part] = append(times[line.part], line.metrics["ns/op"]/1e9)
	}
	var t turns
	for part, into := range map[string]*quantity{"Warm": &t.warm, "Pristine": &t.pristine, "Run": &t.run} {
		if len(times[part]) == 0 {
			return turns{}, fmt.Errorf("BenchmarkTurns has no part %s", part)
		}
		*into = quantity{median(times[part]), inSeconds}
	}
	return t, nil
}

// goBench runs the benchmarks of runtime/sandbox whose names match a pattern, built with a go.mod
// file of their own unless modfile is empty.
func (l *lab) goBench(ctx context.Context, modfile, pattern string, args ...string) ([]benchLine, error) {
	binary, dir, err := l.sandboxTests(ctx, modfile)
	if err != nil {
		return nil, err
	}
	text, err := output(ctx, dir, binary, append([]string{"-test.run", "^$", "-test.timeout", benchLimit.String(), "-test.bench", pattern}, args...)...)
	if err != nil {
		return nil, err
	}
	return parseBench(text)
}

// benchLine is one result of a Go benchmark.
type benchLine struct {
	part    string             // name after the slash, without the suffixes for GOMAXPROCS and repeated names
	metrics map[string]float64 // by unit
}

// parseBench parses Go's benchmark format, https://go.dev/design/14313-benchmark-format.
func parseBench(text []byte) ([]benchLine, error) {
	var lines []benchLine
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		_, part, _ := strings.Cut(fields[0], "/")
		if i := strings.LastIndexByte(part, '-'); i >= 0 { // GOMAXPROCS
			part = part[:i]
		}
		part, _, _ = strings.Cut(part, "#")
		line := benchLine{part: part, metrics: map[string]float64{}}
		for i := 2; i+1 < len(fields); i += 2 {
			n, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("cannot parse the benchmark result %q: %w", scan.Text(), err)
			}
			line.metrics[fields[i+1]] = n
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("no benchmark ran: %s", tail(text))
	}
	return lines, nil
}
