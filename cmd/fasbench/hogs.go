package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

const (
	hogTimeout = time.Second
	hogMemory  = 512 // MB
	// shownHogs is the number of hogs named in the notes, the worst first.
	shownHogs = 5
	// suspicious is the overshoot from which on a hog is run twice more and the median counts.
	suspicious = 25 * time.Millisecond
)

// quickHogs are the hogs of a quick run. They cover every kind: bytecode, loops in C, big integers,
// regular expressions, memory, the garbage collector, the compiler.
var quickHogs = []string{
	"while True", "except hog", "sum(range)", "islice", "regex", "bigmul odd", "str(10**1e6)", "decimal 1e6", "bytes(1e8)", "list ops",
	"sort", "dict 1e7", "find 100MB", "sha256", "gc", "recursion", "compile big", "memory",
}

// hog is a program that does not yield or does not end.
type hog struct{ name, code string }

// hogs reads the table of hogs of runtime/sandbox.
func (l *lab) hogs() ([]hog, error) {
	file := filepath.Join(l.root, "runtime", "sandbox", "testdata", "hogs.txtar")
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return nil, err
	}
	if len(archive.Files) < 2 || archive.Files[0].Name != "module" {
		return nil, fmt.Errorf("%s does not start with a section named module", file)
	}
	var all []hog
	for _, f := range archive.Files[1:] {
		if l.quick && !slices.Contains(quickHogs, f.Name) {
			continue
		}
		body := strings.ReplaceAll(strings.TrimSpace(string(f.Data)), "\n", "\n    ")
		all = append(all, hog{f.Name, string(archive.Files[0].Data) + "def main(args, context):\n    " + body + "\n"})
	}
	return all, nil
}

// ranked is a hog with its measured time.
type ranked struct {
	name string
	took time.Duration
}

// worst sorts hogs, the worst first, and returns a note that names the first few.
func worst(hogs []ranked) (note string) {
	slices.SortFunc(hogs, func(a, b ranked) int { return cmp.Compare(b.took, a.took) })
	var names []string
	for _, h := range hogs[:min(len(hogs), shownHogs)] {
		names = append(names, fmt.Sprintf("`%s` %v", h.name, elapsed(h.took)))
	}
	return "the worst: " + strings.Join(names, ", ")
}

var overshootBench = bench{
	name: "overshoot",
	how: "Each program of `runtime/sandbox/testdata/hogs.txtar` is run over HTTP with 512 MB and a timeout of 1 s. The figure is how much longer " +
		"than the timeout the client waited for the response, at worst. A program that is more than 25 ms late is run twice more, and its median counts.",
	rows: []row{{
		what: "a run stopped after its deadline, for every hog in the table",
		of:   "the worst", goal: "within 50 ms", holds: timeAtMost(50 * time.Millisecond),
		limit: "how soon the guest reaches its next check of the deadline",
	}},
	measure: measureOvershoot,
}

// measureOvershoot runs each hog until it is stopped at its timeout.
func measureOvershoot(ctx context.Context, l *lab) ([]measured, error) {
	hogs, err := l.hogs()
	if err != nil {
		return nil, err
	}
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var stopped []ranked
	early := 0
	for i, h := range hogs {
		name := fmt.Sprintf("hog%d", i)
		if err := s.create(function{Name: name, Code: h.code, Timeout: hogTimeout.Seconds(), Memory: hogMemory}); err != nil {
			return nil, fmt.Errorf("%s: %w", h.name, err)
		}
		over, status, err := s.overshoot(name)
		if over > suspicious {
			// Two more runs: a pause of the machine is not the server's fault.
			late := []time.Duration{over}
			for range 2 {
				if err == nil {
					over, status, err = s.overshoot(name)
					late = append(late, over)
				}
			}
			over = median(late)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.name, err)
		}
		// A late response counts regardless of its status.
		if status == http.StatusGatewayTimeout || over > 0 {
			stopped = append(stopped, ranked{h.name, over})
		} else {
			early++
		}
	}
	if len(stopped) == 0 {
		return nil, fmt.Errorf("none of %d hogs was stopped at its timeout", len(hogs))
	}
	note := worst(stopped)
	return []measured{{
		value: elapsed(stopped[0].took),
		notes: []string{
			fmt.Sprintf("%d hogs were stopped, median %v; %d ended earlier because they ran out of memory or stack", len(stopped), elapsed(stopped[len(stopped)/2].took), early),
			note,
		},
	}}, nil
}

// overshoot runs a function and returns how much longer than its timeout the response took, and the
// response's status.
func (s *server) overshoot(name string) (time.Duration, int, error) {
	if err := s.connect(); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	status, _, err := s.do(s.runRequest(name, "{}"))
	return time.Since(began) - hogTimeout, status, err
}

var gapsBench = bench{
	name: "gaps",
	how: "`BenchmarkHogs` of `runtime/sandbox`: the same programs for 1 s each with 512 MB. The figure is the longest time between two yields, at worst, as " +
		"CPU time of the thread that runs the program.",
	rows: []row{{
		what: "longest gap between two yields, any hog",
		of:   "the worst", goal: "at most 10 ms", holds: timeAtMost(10 * time.Millisecond),
		limit: "the longest stretch of the guest without a check",
	}},
	measure: measureGaps,
}

// measureGaps runs BenchmarkHogs of runtime/sandbox, which measures the time between yields.
func measureGaps(ctx context.Context, l *lab) ([]measured, error) {
	args := []string{"-test.benchtime", "1x", "-hogtime", hogTimeout.String()}
	if l.quick {
		args = append(args, "-hogs", strings.Join(quickHogs, ","))
	}
	lines, err := l.goBench(ctx, l.modfile, "^BenchmarkHogs$", args...)
	if err != nil {
		return nil, err
	}
	var gaps []ranked
	wall := 0.0
	for _, line := range lines {
		gaps = append(gaps, ranked{strings.ReplaceAll(line.part, "_", " "), time.Duration(line.metrics["gap-cpu-ms"] * float64(time.Millisecond))})
		wall = max(wall, line.metrics["gap-ms"])
	}
	note := worst(gaps)
	return []measured{{
		value: elapsed(gaps[0].took),
		notes: []string{
			fmt.Sprintf("%d hogs, median %v; in elapsed time the longest was %.3g ms", len(gaps), elapsed(gaps[len(gaps)/2].took), wall),
			note,
		},
	}}, nil
}
