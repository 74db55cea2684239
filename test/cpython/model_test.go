package cpython

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// someModule has a test of each kind; two tests share an id, of which one passes.
func someModule() Module {
	return Module{Selection: Selection{Name: "test_x", Section: general}, Tests: []Test{
		{ID: "A.test_1", Outcome: Passed},
		{ID: "A.test_2", Outcome: Failed, Reason: Differs + ": why"},
		{ID: "A.test_3", Outcome: Skipped, Native: Skipped, Reason: SkippedOnLinux},
		{ID: "A.test_4", Outcome: Timeout, Reason: NeedsThreads},
		{ID: "A.test_5", Outcome: Passed},
		{ID: "A.test_5", Outcome: Errored, Reason: Unexplained},
	}}
}

func writeExpected(t *testing.T, modules ...Module) Expectations {
	t.Helper()
	var text strings.Builder
	if err := WriteExpectations(&text, modules); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "expectations")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := ReadExpectations(file)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExpectationsDetectWhatGotWorse(t *testing.T) {
	e := writeExpected(t, someModule())["test_x"]
	if want := someModule().Count(); e.Count != want {
		t.Fatalf("the counts that were written are %+v, want %+v", e.Count, want)
	}
	change := func(change func(m *Module)) (worse, better []string) {
		m := someModule()
		change(&m)
		return e.Compare(m, nil)
	}
	for _, c := range []struct {
		name          string
		change        func(m *Module)
		worse, better string // the messages contain it; empty: there is none
	}{
		{"nothing", func(*Module) {}, "", ""},
		{"a test fails", func(m *Module) { m.Tests[0].Outcome = Failed }, "test_x.A.test_1 passed before and is now failed", ""},
		{"a test is skipped", func(m *Module) { m.Tests[0].Outcome = Skipped }, "test_x.A.test_1 passed before and is now skipped", ""},
		{"a test ends its run", func(m *Module) { m.Tests[0].Outcome = Crashed }, "test_x.A.test_1 passed before and is now crashed", ""},
		{"a test fails in another way", func(m *Module) { m.Tests[1].Outcome = Timeout }, "", ""},
		{"a test passes", func(m *Module) { m.Tests[1].Outcome = Passed }, "", "test_x.A.test_2 passes"},
		{"both tests of an id fail", func(m *Module) { m.Tests[4].Outcome = Failed }, "test_x.A.test_5 passed before", ""},
		{"both tests of an id pass", func(m *Module) { m.Tests[5].Outcome = Passed }, "", "test_x.A.test_5 passes"},
		{"a test is gone", func(m *Module) { m.Tests = m.Tests[1:] }, "test_x has 5 tests instead of 6", ""},
		{
			"the module is gone",
			func(m *Module) { m.Tests = []Test{{ID: "(module)", Outcome: Errored}} },
			"test_x.(module) is not loaded", "",
		},
	} {
		worse, better := change(c.change)
		if got := strings.Join(worse, "\n"); (c.worse == "") != (got == "") || !strings.Contains(got, c.worse) {
			t.Errorf("%s: worse is %q, want %q", c.name, got, c.worse)
		}
		if got := strings.Join(better, "\n"); (c.better == "") != (got == "") || !strings.Contains(got, c.better) {
			t.Errorf("%s: better is %q, want %q", c.name, got, c.better)
		}
	}
	m := someModule()
	m.Tests[0].Outcome = Failed
	if worse, _ := e.Compare(m, Reasons{{pattern: "test_x.A.*", text: Unsteady + ": load"}}); worse != nil {
		t.Errorf("an unsteady test is compared: %q", worse)
	}
}

func TestModuleThatIsNotLoadedCountsAsItsTests(t *testing.T) {
	m := Module{Selection: Selection{Name: "test_x", Section: general}, Tests: []Test{
		{ID: wholeModule, Outcome: Errored, Message: "No module named 'y'"},
	}}
	compareNative(&m, []Test{{ID: "A.test_1", Outcome: Passed}, {ID: "A.test_2", Outcome: Passed}, {ID: "A.test_3", Outcome: Skipped}})
	Classify(&m, nil)
	if want := (Count{Failed: 3, Foreign: 1}); m.Count() != want {
		t.Errorf("the counts are %+v, want %+v", m.Count(), want)
	}
	e := writeExpected(t, m)["test_x"]
	m.Tests = []Test{{ID: wholeModule, Outcome: Errored}}
	if worse, better := e.Compare(m, nil); worse != nil || better != nil {
		t.Errorf("worse %q, better %q; want neither", worse, better)
	}
}

func TestFigureCountsWhatLinuxRuns(t *testing.T) {
	other := someModule()
	other.Name, other.Section = "test_y", threads
	d := NewDocument("3.13", []Module{someModule(), other})
	want := Figure{Modules: 1, Counted: 5, Passed: 2, Foreign: 1, Unavailable: 1}
	if got := d.Figure(); got != want {
		t.Errorf("the figure is %+v, want %+v", got, want)
	}
	if got := want.Percent(); got != 40 {
		t.Errorf("%v %% pass, want 40", got)
	}
	if got := want.PercentAvailable(); got != 50 {
		t.Errorf("%v %% pass of those that need nothing absent, want 50", got)
	}
	if got := percent(1999, 2000); got != 99.9 {
		t.Errorf("1999 of 2000 are %v %%", got)
	}
}

func TestClassifyPrefersHand(t *testing.T) {
	hand := Reasons{{pattern: "test_x.A.test_2", text: Differs + ": by hand"}}
	m := Module{Selection: Selection{Name: "test_x"}, Tests: []Test{
		{ID: "A.test_1", Outcome: Passed, Message: "can't start new thread"},
		{ID: "A.test_2", Outcome: Errored, Message: "RuntimeError: can't start new thread"},
		{ID: "A.test_3", Outcome: Errored, Message: "RuntimeError: can't start new thread"},
		{ID: "A.test_4", Outcome: Skipped, Native: Skipped, Message: "requires Windows"},
		{ID: "A.test_5", Outcome: Failed, Message: "AssertionError: 1 != 2"},
	}}
	Classify(&m, hand)
	var got []string
	for _, x := range m.Tests {
		got = append(got, x.Reason)
	}
	if want := []string{"", Differs + ": by hand", NeedsThreads, SkippedOnLinux, Unexplained}; !reflect.DeepEqual(got, want) {
		t.Errorf("the reasons are %q, want %q", got, want)
	}
	if unused := hand.Unused(); unused != nil {
		t.Errorf("unused are %q", unused)
	}
}
