package main

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseBench(t *testing.T) {
	lines, err := parseBench([]byte(`goos: linux
BenchmarkTurns/Warm-2         	    3288	     83347 ns/op	      44 B/op
BenchmarkTurns/Warm#01-2      	    1878	    100630 ns/op
BenchmarkHogs/str(10**1e6)-2 	       1	         0.5000 gap-cpu-ms	 9 yields
PASS
`))
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, l := range lines {
		parts = append(parts, l.part)
	}
	if want := []string{"Warm", "Warm", "str(10**1e6)"}; !slices.Equal(parts, want) {
		t.Errorf("got parts %q, want %q", parts, want)
	}
	if got := lines[1].metrics["ns/op"]; got != 100630 {
		t.Errorf("got %v ns/op", got)
	}
	if got := lines[2].metrics["gap-cpu-ms"]; got != 0.5 {
		t.Errorf("got a gap of %v ms", got)
	}
	if _, err := parseBench([]byte("PASS\n")); err == nil {
		t.Error("output without results is accepted")
	}
}

func TestParseWrk(t *testing.T) {
	const good = "Running 1s test\n  8 requests in 1.00s\nRequests/sec:   4093.25\nTransfer/sec:  1.5MB\n"
	if rate, responses, err := parseWrk(good); err != nil || rate != 4093.25 || responses != 8 {
		t.Errorf("got %v, %v, %v", rate, responses, err)
	}
	if _, _, err := parseWrk("  Non-2xx or 3xx responses: 7\n" + good); err == nil {
		t.Error("failed responses are counted")
	}
	if _, _, err := parseWrk("unable to connect\n"); err == nil {
		t.Error("output without a rate is accepted")
	}
}

func TestFigures(t *testing.T) {
	list := []time.Duration{5, 1, 4, 2, 3}
	if got := median(list); got != 3 {
		t.Errorf("median %d", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median %v", got)
	}
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	if p, max := percentile(hundred, 0.99), percentile(hundred, 1); p != 99 || max != 100 {
		t.Errorf("p99 %d, longest %d", p, max)
	}
	if got := geometricMean([]float64{1, 4, 2}); math.Abs(got-2) > 1e-9 {
		t.Errorf("geometric mean %v", got)
	}
	for want, q := range map[string]quantity{
		"2.50 s": {2.5, inSeconds}, "12.3 ms": {0.01234, inSeconds}, "52 µs": {52e-6, inSeconds}, "4093/s": {4093.25, perSecond}, "150 MB": {150 * mb, inBytes}, "17": {17, number},
	} {
		if got := q.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := ratioText(1.0 / 80); got != "1/80" {
		t.Errorf("got %q", got)
	}
}

// TestVerdict checks that reaching a target exactly counts as held and missing it as not held.
func TestVerdict(t *testing.T) {
	r := row{what: "row", of: "ours", peer: "theirs", goal: "at least 3x", holds: ratioAtLeast(3)}
	for rate, want := range map[float64]string{300: "held", 299: "not held"} {
		m := measured{value: quantity{rate, perSecond}, peer: quantity{100, perSecond}}
		if got := (result{row: r, measured: m}).cells().verdict; got != want {
			t.Errorf("%v: %q, want %q", rate, got, want)
		}
	}
	// A row whose runs were not all answered is not held, however fast the others were.
	if got := (result{row: r, measured: measured{value: quantity{300, perSecond}, peer: quantity{100, perSecond}, missed: "some failed"}}).cells().verdict; got != "not held: some failed" {
		t.Errorf("missed: got %q", got)
	}
	if got := (result{row: row{of: "theirs"}, measured: measured{value: quantity{300, perSecond}}}).cells().verdict; got != "" {
		t.Errorf("without a target: got %q", got)
	}
	var table strings.Builder
	printTable(&table, []result{{bench: "b", row: r, measured: measured{err: errNothing}}})
	if !strings.Contains(table.String(), "not measured: "+errNothing.Error()) {
		t.Errorf("the table lacks the reason:\n%s", &table)
	}
}

// TestPageHasAllRows checks that the page has each row with what limits it, measured before stated,
// and the reason why a row was not measured.
func TestPageHasAllRows(t *testing.T) {
	r := row{what: "row", of: "ours", limit: "stated"}
	text := page(&lab{}, []result{
		{bench: "deploy", row: r, measured: measured{value: quantity{300, perSecond}, limit: "measured", notes: []string{"a note"}}},
		{bench: "deploy", row: r, measured: measured{value: quantity{300, perSecond}}},
		{bench: "deploy", row: r, measured: measured{err: errNothing}},
	})
	for _, want := range []string{"| ours 300/s | - | - |  |  | measured |", "| ours 300/s | - | - |  |  | stated |", "| - | - | - |  | not measured | stated |", "- a note\n", "- not measured: " + errNothing.Error()} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

func TestSandboxesHavePrograms(t *testing.T) {
	for _, s := range sandboxes {
		if peerFile(filepath.Base(s.program("."))) == "" {
			t.Errorf("the program of %s is empty", s.name)
		}
	}
}

func TestHogsQuickNamesExist(t *testing.T) {
	all, err := (&lab{root: "../.."}).hogs()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range quickHogs {
		if !slices.ContainsFunc(all, func(h hog) bool { return h.name == name }) {
			t.Errorf("there is no hog %q", name)
		}
	}
}

func TestChoose(t *testing.T) {
	chosen, err := choose("deploy, engine")
	if err != nil || len(chosen) != 2 || chosen[0].name != "deploy" || chosen[1].name != "engine" {
		t.Errorf("got %v, %v", chosen, err)
	}
	if _, err := choose("depoly"); err == nil {
		t.Error("an unknown name is accepted")
	}
}

var errNothing = errors.New("no such peer")
