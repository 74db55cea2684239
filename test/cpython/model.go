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
	Tests []Test
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

// shortID removes the module from the id of a test. A test of another module keeps its module
// without the package `test`.
func shortID(module, id string) string {
	id = strings.TrimPrefix(id, "test.")
	return strings.TrimPrefix(id, module+".")
}
