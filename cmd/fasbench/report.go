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

// cells are the columns of a result, as text.
type cells struct{ what, value, peer, ratio, goal, verdict, limit string }

// cells formats a result.
func (r result) cells() cells {
	c := cells{what: r.row.what, goal: r.row.goal, value: "-", peer: "-", ratio: "-", limit: r.row.limit}
	if r.err != nil {
		c.verdict = "not measured"
		return c
	}
	if r.limit != "" {
		c.limit = r.limit
	}
	if r.value.unit != none {
		c.value = r.row.of + " " + r.value.String()
	}
	if r.peer.unit != none {
		c.peer, c.ratio = r.row.peer+" "+r.peer.String(), ratioText(r.ratio())
	}
	switch {
	case r.missed != "":
		c.verdict = "not held: " + r.missed
	case r.row.holds == nil:
	case r.row.holds(r.measured):
		c.verdict = "held"
	default:
		c.verdict = "not held"
	}
	return c
}

// printTable prints results for a terminal.
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
		if limit := r.cells().limit; limit != "" {
			fmt.Fprintf(w, "    what limits it: %s\n", limit)
		}
		for _, note := range r.notes {
			fmt.Fprintf(w, "    %s\n", note)
		}
		if r.err != nil {
			fmt.Fprintf(w, "    not measured: %v\n", r.err)
		}
	}
}

// name returns a short name of the row.
func (r result) name() string {
	if r.row.part != "" {
		return r.bench + ": " + r.row.part
	}
	return r.bench
}

// label puts the short name of the row, if it has one, before a note.
func (r result) label(note string) string {
	if r.row.part != "" {
		return r.row.part + ": " + note
	}
	return note
}

// page returns the content of docs/benchmarks.md.
func page(l *lab, results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by %s on %s. Every row was measured side by side, in one run, on one machine: %s.
%s
The ratio is the value divided by the peer's. Other work on the machine affects the figures; a target that is missed is shown as "not held".
What limits a row is measured where a load generator is involved: the shares are of all processors, the load generator's is its own, and a
load is said to wait if neither the load generator nor the processors together were busy 90 %% of the time.

| what | value | peer | ratio | target | | what limits it |
|---|---|---|---|---|---|---|
`, "`make bench`", time.Now().UTC().Format(time.DateOnly), machine()+", "+l.wazero(), quickWarning(l.quick))
	for _, r := range results {
		c := r.cells()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", c.what, c.value, c.peer, c.ratio, c.goal, c.verdict, c.limit)
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
				fmt.Fprintf(&b, "- %s\n", r.label(note))
			}
			if r.err != nil {
				first, _, _ := strings.Cut(r.err.Error(), "\n")
				fmt.Fprintf(&b, "- %s\n", r.label("not measured: "+first))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("## Repeat it\n\n`make bench` installs the peers, which needs root on Debian 12, measures everything and writes this page. " +
		"`go run ./cmd/fasbench -quick` takes ten minutes, and `-only NAME,NAME` measures only some of the above.\n")
	return b.String()
}

// quickWarning returns the paragraph that marks the figures of a quick run.
func quickWarning(quick bool) string {
	if !quick {
		return ""
	}
	return "\nThis was a quick run: fewer and shorter rounds, and noisier figures.\n"
}

// machine describes the machine and the toolchain, without the machine's name.
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
		// The part after the version's numbers may identify the machine's owner.
		release, _, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), "-")
		facts = append(facts, fmt.Sprintf("%s %s on %s", unix.ByteSliceToString(name.Sysname[:]), release, unix.ByteSliceToString(name.Machine[:])))
	}
	return strings.Join(append(facts, goruntime.Version()), ", ")
}

// field returns the value of a name in text with "name: value" lines, or "".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
