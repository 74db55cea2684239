package cpython

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Expectations are the committed outcomes: for each module the number of its tests by outcome, and
// all tests that do not pass.
type Expectations map[string]Expected

// Expected is the expected outcome of a module.
type Expected struct {
	Count
	Tests []Test // the ones that do not pass
}

// WriteExpectations writes modules in the format that ReadExpectations reads. A module is a line
// with its counts. Every test that does not pass follows on a line of its own, with its outcome and
// its reason, separated by tabs.
func WriteExpectations(w io.Writer, modules []Module) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "# Written by `make test-cpython`: the outcomes of CPython's tests in functions. Do not edit: reasons by")
	fmt.Fprintln(b, "# hand belong into reasons.txt.")
	for _, m := range modules {
		c := m.Count()
		fmt.Fprintf(b, "%s: %d passed, %d failed, %d skipped\n", m.Name, c.Passed, c.Failed, c.Skipped)
		for _, t := range m.Tests {
			if t.Outcome != Passed {
				fmt.Fprintf(b, "\t%s\t%s\t%s\n", t.Outcome, t.ID, t.Reason)
			}
		}
	}
	return b.Flush()
}

// ReadExpectations reads expectations.txt. A file that does not exist has no modules.
func ReadExpectations(file string) (Expectations, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := Expectations{}
	name := ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		if fields := strings.Split(line, "\t"); len(fields) == 4 && fields[0] == "" && name != "" {
			e := all[name]
			t := Test{Outcome: Outcome(fields[1]), ID: fields[2], Reason: fields[3]}
			switch t.Reason {
			case SkippedOnLinux:
				t.Native = Skipped
			case FailsOnLinux:
				t.Native = Failed
			}
			if t.Foreign() {
				e.Foreign++
			}
			e.Tests = append(e.Tests, t)
			all[name] = e
			continue
		}
		var e Expected
		var ok bool
		var counts string
		name, counts, ok = strings.Cut(line, ": ")
		_, err := fmt.Sscanf(counts, "%d passed, %d failed, %d skipped", &e.Passed, &e.Failed, &e.Skipped)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s:%d: %q is neither a module nor a test", file, n, line)
		}
		all[name] = e
	}
	return all, lines.Err()
}

// Compare returns what got worse in a module and what got better, one message per test. Unsteady
// tests are not compared.
func (e Expected) Compare(m Module, hand Reasons) (worse, better []string) {
	var unloaded []string
	for _, t := range m.Tests {
		if notLoaded(t.ID) && t.Outcome != Passed {
			unloaded = append(unloaded, fmt.Sprintf("%s.%s is not loaded: %s", m.Name, t.ID, t.Message))
		}
	}
	if len(unloaded) > 0 {
		// The expectations have the tests that were not loaded one by one.
		if m.Count().Passed >= e.Passed {
			return nil, nil
		}
		return unloaded, nil
	}
	listed := map[string]int{} // how many tests of an id are expected not to pass
	for _, t := range e.Tests {
		listed[t.ID]++
	}
	for _, t := range m.Tests {
		switch {
		case t.Outcome == Passed:
		case listed[t.ID] > 0:
			listed[t.ID]--
		case Cause(hand.Find(m.Name, t.ID)) == Unsteady:
		default:
			worse = append(worse, fmt.Sprintf("%s.%s passed before and is now %s: %s", m.Name, t.ID, t.Outcome, t.Message))
		}
	}
	for _, t := range e.Tests {
		if listed[t.ID] > 0 {
			listed[t.ID]--
			better = append(better, fmt.Sprintf("%s.%s passes", m.Name, t.ID))
		}
	}
	if got := m.Count().Total(); got < e.Total() {
		worse = append(worse, fmt.Sprintf("%s has %d tests instead of %d", m.Name, got, e.Total()))
	}
	return worse, better
}

// keepNative sets the outcomes in native CPython to the ones in the expectations, for runs that have
// no native CPython.
func (e Expected) keepNative(m *Module) { setNative(m, e.Tests) }
