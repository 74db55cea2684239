package main

import (
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// cells are a result's columns.
type cells struct{ what, value, peer, ratio, goal, verdict string }

func (r result) cells() cells {
	c := cells{what: r.row.what, goal: r.row.goal, value: "-", peer: "-", ratio: "-"}
	if r.err != nil {
		c.verdict = "not measured"
		return c
	}
	c.value = r.row.of + " " + r.value.String()
	if r.peer.unit != none {
		c.peer, c.ratio = r.row.peer+" "+r.peer.String(), ratioText(r.ratio())
	}
	c.verdict = "held"
	if !r.row.holds(r.measured) {
		c.verdict = "not held"
	}
	return c
}

// printTable prints results for people at a terminal.
func printTable(w io.Writer, results []result) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tvalue\tpeer\tratio\ttarget\t")
	for _, r := range results {
		c := r.cells()
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.name(), c.value, c.peer, c.ratio, c.goal, c.verdict)
	}
	_ = table.Flush() // w is the terminal
	fmt.Fprintln(w)
	for _, r := range results {
		fmt.Fprintf(w, "%s (%s)\n", r.row.what, r.bench)
		for _, note := range r.notes {
			fmt.Fprintf(w, "    %s\n", note)
		}
		if r.err != nil {
			fmt.Fprintf(w, "    not measured: %v\n", r.err)
		}
	}
}

// name is short for the row.
func (r result) name() string {
	if r.row.part != "" {
		return r.bench + ": " + r.row.part
	}
	return r.bench
}

// page makes docs/benchmarks.md.
func page(l *lab, results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by %s on %s. Every row was measured side by side, in one run, on one machine: %s.
%s
The ratio is the value to the peer's. The machine's other work is in the figures; a row that is not held is shown as it is.

| what | value | peer | ratio | target | |
|---|---|---|---|---|---|
`, "`make bench`", time.Now().UTC().Format(time.DateOnly), machine(), quickWarning(l.quick))
	for _, r := range results {
		c := r.cells()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.what, c.value, c.peer, c.ratio, c.goal, c.verdict)
	}
	b.WriteString("\n## How\n\n")
	for _, bench := range benches {
		if !slices.ContainsFunc(results, func(r result) bool { return r.bench == bench.name }) {
			continue
		}
		fmt.Fprintf(&b, "### %s\n\n%s\n\n", bench.name, bench.how)
		for _, r := range results {
			if r.bench != bench.name {
				continue
			}
			for _, note := range r.notes {
				fmt.Fprintf(&b, "- %s\n", note)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("## Again\n\n`make bench` installs the peers, which needs root on Debian 12, measures everything and writes this page. " +
		"`go run ./cmd/fasbench -quick` takes three minutes, `-only NAME,NAME` measures some of the above.\n")
	return b.String()
}

func quickWarning(quick bool) string {
	if !quick {
		return ""
	}
	return "\nThis was a quick run: fewer and shorter rounds, and noisier.\n"
}

// machine tells what was measured on, without its name.
func machine() string {
	facts := []string{fmt.Sprintf("%d processors", goruntime.NumCPU())}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := field(string(info), "model name"); model != "" {
			facts[0] += " (" + model + ")"
		}
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib float64
		if _, err := fmt.Sscanf(field(string(info), "MemTotal"), "%g kB", &kib); err == nil {
			facts = append(facts, fmt.Sprintf("%.0f GB of memory", kib*1024/gb))
		}
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		// What follows the version's numbers may tell whose machine it is.
		release, _, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), "-")
		facts = append(facts, fmt.Sprintf("%s %s on %s", unix.ByteSliceToString(name.Sysname[:]), release, unix.ByteSliceToString(name.Machine[:])))
	}
	return strings.Join(append(facts, goruntime.Version()), ", ")
}

// field finds a value in a list of "name: value" lines.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
