package cpython

import (
	"cmp"
	"slices"
	"strings"
)

// Outcome is how a test ended.
type Outcome string

// Outcomes of tests. The last five end the run in which they happen: they are the classes in which
// docs/functions.md sorts the ends of runs.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed" // an assertion failed
	Errored Outcome = "error"  // any other exception
	Skipped Outcome = "skipped"

	Timeout Outcome = "timeout"
	Memory  Outcome = "memory"
	Stack   Outcome = "stack"
	Crashed Outcome = "crashed"
	Exited  Outcome = "exited"
)

// Test is the outcome of one test.
type Test struct {
	ID      string // without the module: Class.method
	Outcome Outcome
	Native  Outcome // outcome in native CPython on Linux, empty if unknown
	Message string  // the exception or the reason of the skip, as the test reports it
	Details string  // the traceback
	Reason  string  // why the test does not pass: see Classify
}

// Module is a module of tests with the outcomes of its tests, ordered by id.
type Module struct {
	Selection
	Tests   []Test
	Seconds float64 // that its runs took
}

// Count is a number of tests by outcome.
type Count struct {
	Passed, Failed, Skipped int
	// Foreign is the number of tests that do not pass and that native CPython on Linux skips or
	// fails as well: those of other systems, of resources that are off by default, and of CPython's
	// own internals.
	Foreign int
}

// Total returns the number of tests.
func (c Count) Total() int { return c.Passed + c.Failed + c.Skipped }

// Add returns the sum of two counts.
func (c Count) Add(d Count) Count {
	return Count{c.Passed + d.Passed, c.Failed + d.Failed, c.Skipped + d.Skipped, c.Foreign + d.Foreign}
}

// Count counts the tests of a module. Every outcome but passed and skipped counts as failed.
func (m Module) Count() (c Count) {
	for _, t := range m.Tests {
		switch t.Outcome {
		case Passed:
			c.Passed++
		case Skipped:
			c.Skipped++
		default:
			c.Failed++
		}
		if t.Foreign() {
			c.Foreign++
		}
	}
	return c
}

// Foreign reports whether the test passes neither here nor in native CPython on Linux.
func (t Test) Foreign() bool { return t.Outcome != Passed && t.Native != "" && t.Native != Passed }

// sortTests orders tests by id and numbers the ones that share an id.
func sortTests(tests []Test) {
	slices.SortStableFunc(tests, func(a, b Test) int { return cmp.Compare(a.ID, b.ID) })
}

// wholeModule is the id of the only test of a module that cannot be loaded.
const wholeModule = "(module)"

// notLoaded reports whether the id is that of a module, or of a module in a package, that cannot be
// loaded, or whose import skips it.
func notLoaded(id string) bool {
	return id == wholeModule || strings.HasPrefix(id, "unittest.loader.")
}

// setNative sets the outcomes of a module's tests in native CPython to those of the given tests. If
// tests share an id, the first that does not pass decides.
func setNative(m *Module, tests []Test) {
	natives := map[string]Outcome{}
	for _, t := range tests {
		if natives[t.ID] == "" || natives[t.ID] == Passed {
			natives[t.ID] = t.Native
		}
	}
	for i := range m.Tests {
		m.Tests[i].Native = natives[m.Tests[i].ID]
	}
}

// compareNative adds the outcomes of a module's tests in native CPython. The tests of a module that
// is not loaded here count one by one: they are those that native CPython loads.
func compareNative(m *Module, native []Test) {
	for i := range native {
		native[i].Native = native[i].Outcome
	}
	setNative(m, native)
	here := map[string]bool{}
	unloaded := -1 // index of a test that is not loaded
	for i, t := range m.Tests {
		here[t.ID] = true
		if notLoaded(t.ID) {
			unloaded = i
		}
	}
	if unloaded < 0 {
		return
	}
	why := m.Tests[unloaded]
	added := false
	for _, t := range native {
		if !here[t.ID] {
			m.Tests = append(m.Tests, Test{ID: t.ID, Outcome: why.Outcome, Native: t.Native, Message: why.Message, Details: why.Details})
			added = true
		}
	}
	if added {
		m.Tests = slices.DeleteFunc(m.Tests, func(t Test) bool { return notLoaded(t.ID) && t.Native == "" })
		sortTests(m.Tests)
	}
}
