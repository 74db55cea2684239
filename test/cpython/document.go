package cpython

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Document is the content of docs/python-compatibility.md.
type Document struct {
	Python   string // version of CPython
	Sections []Section
}

// Section is a group of modules of tests.
type Section struct {
	Key     string // in modules.txt
	Title   string
	Text    string
	Modules []Module
}

// Keys of the sections in modules.txt.
const (
	general   = "general"
	processes = "processes"
	threads   = "threads"
	network   = "network"
	omitted   = "omitted"
)

// sections are the sections of the document, in order. general is the one of the goal.
var sections = []Section{
	{Key: general, Title: "Language and library", Text: "Modules whose subject needs no processes, threads or network."},
	{Key: processes, Title: "Processes and the operating system", Text: "Modules about processes, signals and system calls, which functions do not have."},
	{Key: threads, Title: "Threads", Text: "Modules about threads, which functions do not have."},
	{Key: network, Title: "Network", Text: "Modules about sockets and the protocols above them, which functions do not have."},
}

// NewDocument sorts modules into the sections of the document.
func NewDocument(python string, modules []Module) Document {
	d := Document{Python: python}
	for _, s := range sections {
		for _, m := range modules {
			if m.Section == s.Key {
				s.Modules = append(s.Modules, m)
			}
		}
		d.Sections = append(d.Sections, s)
	}
	return d
}

// Figure is how many tests of the general section pass.
type Figure struct {
	Modules int
	Counted int // tests that pass in native CPython on Linux, or here
	Passed  int // of the counted ones
	Foreign int // tests that are not counted
	// Unavailable is the number of counted tests that need processes, threads or sockets although
	// the subject of their module does not.
	Unavailable int
}

// Figure counts the tests of the general section.
func (d Document) Figure() (f Figure) {
	for _, s := range d.Sections {
		if s.Key != general {
			continue
		}
		f.Modules = len(s.Modules)
		for _, m := range s.Modules {
			c := m.Count()
			f.Counted += c.Total() - c.Foreign
			f.Passed += c.Passed
			f.Foreign += c.Foreign
			for _, t := range m.Tests {
				switch Cause(t.Reason) {
				case NeedsProcesses, NeedsThreads, NeedsServers, NeedsSockets:
					f.Unavailable++
				}
			}
		}
	}
	return f
}

// Percent returns the part of the counted tests that pass, in percent.
func (f Figure) Percent() float64 { return percent(f.Passed, f.Counted) }

// PercentAvailable is Percent without the tests that need processes, threads or sockets.
func (f Figure) PercentAvailable() float64 { return percent(f.Passed, f.Counted-f.Unavailable) }

// percent rounds down to a tenth, so that only a whole is 100 %.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part*1000/whole) / 10
}

// Write writes the document as Markdown.
func (d Document) Write(w io.Writer, library []LibraryModule, omittedModules []Selection) error {
	b := bufio.NewWriter(w)
	f := d.Figure()
	fmt.Fprintf(b, `# Python compatibility

Written by `+"`make test-cpython`"+`: the regression tests of CPython %s (`+"`Lib/test`"+` of the source that the
guest is built from), run in functions of a server.

**%.1f %% of the tests pass** in the modules that need no processes, threads or network: %d of %d tests
in %d modules. Counted is every test that passes in a native CPython of the same source on Linux, or
here; %d further tests pass in neither (other systems, tests that are off by default, CPython's own
internals). Without the %d counted tests of these modules that need processes, threads or sockets
nevertheless, %.1f %% pass. A test that the guest skips and Linux does not counts as one that does not
pass. The tests do not skip what CPython skips on WASI.

`, d.Python, f.Percent(), f.Passed, f.Counted, f.Modules, f.Foreign, f.Unavailable, f.PercentAvailable())

	fmt.Fprint(b, "Why tests do not pass, by section:\n\n| reason |")
	for _, s := range d.Sections {
		fmt.Fprintf(b, " %s |", s.Title)
	}
	fmt.Fprint(b, "\n|---|")
	for range d.Sections {
		fmt.Fprint(b, "---|")
	}
	fmt.Fprintln(b)
	for _, cause := range causes {
		counts := make([]int, len(d.Sections))
		any := false
		for i, s := range d.Sections {
			for _, m := range s.Modules {
				for _, t := range m.Tests {
					if t.Outcome != Passed && Cause(t.Reason) == cause {
						counts[i]++
						any = true
					}
				}
			}
		}
		if !any {
			continue
		}
		fmt.Fprintf(b, "| %s |", cause)
		for _, n := range counts {
			fmt.Fprintf(b, " %d |", n)
		}
		fmt.Fprintln(b)
	}
	fmt.Fprint(b, "\n`test/cpython/expectations.txt` lists every test that does not pass with its reason.\n\n")
	if err := WriteLibrary(b, library); err != nil {
		return err
	}

	for _, s := range d.Sections {
		if len(s.Modules) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n| module | passed | failed | skipped | not on Linux, either | reasons |\n|---|---|---|---|---|---|\n", s.Title, s.Text)
		var sum Count
		for _, m := range s.Modules {
			c := m.Count()
			sum = sum.Add(c)
			fmt.Fprintf(b, "| `%s` | %d | %d | %d | %d | %s |\n", m.Name, c.Passed, c.Failed, c.Skipped, c.Foreign, summary(m))
		}
		fmt.Fprintf(b, "| all | %d | %d | %d | %d | |\n", sum.Passed, sum.Failed, sum.Skipped, sum.Foreign)
		writeDifferences(b, s)
	}

	fmt.Fprint(b, "\n## Not run\n\n| reason | modules |\n|---|---|\n")
	byReason := map[string][]string{}
	var order []string
	for _, s := range omittedModules {
		if byReason[s.Omitted] == nil {
			order = append(order, s.Omitted)
		}
		byReason[s.Omitted] = append(byReason[s.Omitted], "`"+s.Name+"`")
	}
	for _, reason := range order {
		fmt.Fprintf(b, "| %s | %s |\n", reason, strings.Join(byReason[reason], " "))
	}
	return b.Flush()
}

// summary returns the causes of a module's tests that do not pass, with their numbers.
func summary(m Module) string {
	counts := map[string]int{}
	for _, t := range m.Tests {
		if t.Outcome != Passed && !t.Foreign() {
			counts[Cause(t.Reason)]++
		}
	}
	var parts []string
	for _, cause := range causes {
		if n := counts[cause]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s (%d)", cause, n))
		}
	}
	return strings.Join(parts, ", ")
}

// writeDifferences lists the tests of a section whose reason is in their module and not in what
// functions do not have.
func writeDifferences(b *bufio.Writer, s Section) {
	byReason := map[string][]string{}
	var order []string
	for _, m := range s.Modules {
		for _, t := range m.Tests {
			switch Cause(t.Reason) {
			case Differs, Unexplained, Unsteady, NeedsModule, NeedsFiles, NeedsSources:
				if t.Outcome == Passed {
					continue
				}
				if byReason[t.Reason] == nil {
					order = append(order, t.Reason)
				}
				byReason[t.Reason] = append(byReason[t.Reason], m.Name+"."+t.ID)
			}
		}
	}
	if len(order) == 0 {
		return
	}
	slices.SortStableFunc(order, func(x, y string) int { return len(byReason[y]) - len(byReason[x]) })
	fmt.Fprint(b, "\n| difference | tests |\n|---|---|\n")
	const most = 6 // of the tests that are named
	for _, reason := range order {
		tests := byReason[reason]
		text := "`" + strings.Join(tests[:min(len(tests), most)], "` `") + "`"
		if more := len(tests) - most; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		fmt.Fprintf(b, "| %s (%d) | %s |\n", strings.ReplaceAll(reason, "|", "\\|"), len(tests), text)
	}
}
