package blaxel

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestCursorsOfJobs checks that a cursor is valid for its list only, for a day.
func TestCursorsOfJobs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := list{tenant: "a", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameAsc, query: "q"}
	cursor := l.cursor("position", now)
	for age, ok := range map[time.Duration]bool{
		0: true, time.Hour: true, 24*time.Hour - time.Second: true, 24*time.Hour + 2*time.Second: false, 1000 * time.Hour: false,
		-time.Hour: true, -25 * time.Hour: false, // the clock was put back
	} {
		position, err := l.openCursor(cursor, now.Add(age))
		if (err == nil) != ok || ok && position != "position" {
			t.Errorf("after %s: %q, %v", age, position, err)
		}
	}
	// It is bound to each part of its list, and to where each part ends.
	for i, other := range []list{
		{tenant: "b", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "executions", job: "j", execution: "x", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "k", execution: "x", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "j", execution: "y", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "jx", execution: "", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameDesc, query: "q"},
		{tenant: "a", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameAsc, query: ""},
	} {
		if position, err := other.openCursor(cursor, now); err == nil {
			t.Errorf("list %d takes it as %q", i, position)
		}
	}
	// Forged: every bit changed, cut short, made longer.
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			forged := append([]byte(nil), raw...)
			forged[i] ^= 1 << bit
			if position, err := l.openCursor(base64.RawURLEncoding.EncodeToString(forged), now); err == nil {
				t.Errorf("byte %d, bit %d: accepted as %q", i, bit, position)
			}
		}
		if _, err := l.openCursor(base64.RawURLEncoding.EncodeToString(raw[:i]), now); err == nil {
			t.Errorf("%d bytes are accepted", i)
		}
	}
	for _, text := range []string{cursor + "A", cursor + "=", " " + cursor, "", "!"} {
		if _, err := l.openCursor(text, now); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
