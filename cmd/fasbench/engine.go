package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// measureEngine runs BenchmarkTurns of runtime/sandbox, which alternates between its parts.
func measureEngine(ctx context.Context, l *lab) ([]measured, error) {
	length := "500ms"
	if l.quick {
		length = "200ms"
	}
	lines, err := l.goBench(ctx, "^BenchmarkTurns$", "-test.benchtime", length)
	if err != nil {
		return nil, err
	}
	times := map[string][]float64{}
	for _, line := range lines {
		times[line.part] = append(times[line.part], line.metrics["ns/op"]/1e9)
	}
	for _, part := range []string{"Warm", "Pristine", "Run"} {
		if len(times[part]) == 0 {
			return nil, fmt.Errorf("BenchmarkTurns has no part %s", part)
		}
	}
	return []measured{{
		value: quantity{median(times["Pristine"]), inSeconds},
		peer:  quantity{median(times["Warm"]), inSeconds},
		notes: []string{fmt.Sprintf("the same call through `Sandbox.Run`, which also acquires a slot and a processor: %v", quantity{median(times["Run"]), inSeconds})},
	}}, nil
}

// goBench runs the benchmarks of runtime/sandbox whose names match a pattern.
func (l *lab) goBench(ctx context.Context, pattern string, args ...string) ([]benchLine, error) {
	binary, dir, err := l.sandboxTests(ctx)
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
