package dev

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/project/projecttest"
)

const code = "def main(args, context):\n    return 1\n"

// TestWatch checks that changes of files, in new folders too, are reported, and those of ignored folders are
// not. A missing report would block it.
func TestWatch(t *testing.T) {
	dir := projecttest.Folder(t, map[string]string{"f.py": code, "lib/x.py": "x = 1"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes := watch(ctx, dir, true)
	for _, name := range []string{"f.py", "lib/x.py", "lib/y.py", "new/deep/z.py", "f.py"} {
		projecttest.Write(t, dir, map[string]string{name: "changed"})
		<-changes
	}
	if err := os.Rename(filepath.Join(dir, "f.py"), filepath.Join(dir, "g.py")); err != nil {
		t.Fatal(err)
	}
	<-changes
}

// TestPollReportsChanges checks the fallback.
func TestPollReportsChanges(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes := make(chan time.Time, 1)
	go poll(ctx, changes)
	<-changes
	<-changes
}

func TestDifference(t *testing.T) {
	for _, c := range [][3]string{
		{"", "1", ""},
		{"1", "1", ""},
		{"1", "2", "-1\n+2\n"},
		{"{\n  \"a\": 1\n}", "{\n  \"a\": 2\n}", " {\n-  \"a\": 1\n+  \"a\": 2\n }\n"},
		{strings.Repeat("x", maxShownDiff+1), "1", ""},
	} {
		var before []byte
		if c[0] != "" {
			before = []byte(c[0])
		}
		got := difference(before, []byte(c[1]))
		if _, rest, ok := strings.Cut(got, "@@\n"); ok {
			got = rest
		}
		if got != c[2] {
			t.Errorf("%.40q: %q", c[0], got)
		}
	}
}

// TestTextIsOneLine checks that what others send cannot forge lines.
func TestTextIsOneLine(t *testing.T) {
	var out, talk strings.Builder
	show := &Text{Out: &out, Err: &talk}
	show.Request(Request{Method: "GET", Path: "/\nforged", Status: 404})
	show.Ran(Outcome{Function: "f", Args: []byte("{\n \"a\":\"" + strings.Repeat("é", 100) + "\"}"), Now: []byte("1"), Log: []client.LogEntry{{Text: "log\n"}}})
	lines := strings.Split(strings.TrimSpace(talk.String()), "\n")
	if len(lines) != 3 || strings.Contains(talk.String(), "forged") || out.String() != "1\n" || len(lines[1]) > 150 {
		t.Errorf("%q, %q", talk.String(), out.String())
	}
}
