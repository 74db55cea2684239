package main

import (
	"strings"
	"testing"
	"time"
)

func TestLimit(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name string
		usage
		want string
	}{
		{"two busy processors", usage{s, 1400 * time.Millisecond, 500 * time.Millisecond, 40 * time.Millisecond, 1}, "the processors (server 70 %, load generator 25 %, other 3 %, idle 2 %)"},
		{"a busy thread of the generator", usage{s, 500 * time.Millisecond, 960 * time.Millisecond, 500 * time.Millisecond, 1}, "the load generator (server 25 %, load generator 48 %, other 2 %, idle 25 %)"},
		{"the same with two threads", usage{s, 500 * time.Millisecond, 960 * time.Millisecond, 500 * time.Millisecond, 2}, "waiting (server 25 %, load generator 48 %, other 2 %, idle 25 %)"},
		{"more threads than processors", usage{s, 40 * time.Millisecond, 1900 * time.Millisecond, 0, 8}, "the load generator (server 2 %, load generator 95 %, other 3 %, idle 0 %)"},
		{"other programs", usage{s, 900 * time.Millisecond, 100 * time.Millisecond, 0, 1}, "the processors, with other programs (server 45 %, load generator 5 %, other 50 %, idle 0 %)"},
		// The kernel counts idle time in hundredths of a second, so the shares may exceed the whole.
		{"rounded idle time", usage{s, 1990 * time.Millisecond, 0, 20 * time.Millisecond, 1}, "the processors (server 100 %, load generator 0 %, other 0 %, idle 1 %)"},
		{"nothing", usage{}, ""},
	} {
		if got := test.limitOf(2); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	sum := usage{1, 2, 3, 4, 1}.add(usage{1, 2, 3, 4, 1})
	if want := (usage{2, 4, 6, 8, 1}); sum != want {
		t.Errorf("got the sum %+v, want %+v", sum, want)
	}
}

func TestParseIdle(t *testing.T) {
	got, err := parseIdle([]byte("cpu  100 0 50 700 20 0 3 0 0 0\ncpu0 50 0 25 350 10 0 3 0 0 0\n"))
	if err != nil || got != 7200*time.Millisecond {
		t.Errorf("got %v, %v, want the idle time and that of waiting for disks", got, err)
	}
	for _, text := range []string{"", "intr 1 2 3 4 5 6\n", "cpu 1 2 3\n", "cpu 1 2 3 x 5 6\n"} {
		if _, err := parseIdle([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestObserveCountsChildren checks that the time of a server's worker processes counts as the
// server's, and not that of this process.
func TestObserveCountsChildren(t *testing.T) {
	l := testLab(t)
	p, err := l.start(t.Context(), "", nil, "sh", "-c", `sh -c 'while kill -0 $PPID; do :; done' 2>/dev/null & wait`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	var used time.Duration
	for deadline := time.Now().Add(30 * time.Second); used < 20*time.Millisecond; {
		more, err := p.observe(1, func() error {
			time.Sleep(20 * time.Millisecond)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if used += more.server; time.Now().After(deadline) {
			t.Fatalf("the processor time of a busy child is %v", used)
		}
	}
}

// testLab returns a lab that can start processes.
func testLab(t *testing.T) *lab {
	t.Helper()
	return &lab{tmp: t.TempDir(), stderr: &strings.Builder{}}
}
