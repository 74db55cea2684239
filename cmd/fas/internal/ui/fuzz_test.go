package ui

import (
	"testing"
	"time"
)

// FuzzFlags reads values of flags: sizes, durations and times. What is read is in bounds, and the text
// that is printed of it is read as the same.
func FuzzFlags(f *testing.F) {
	for _, text := range []string{"512MB", "1.5 GiB", "1e30GB", "NaNB", "-1B", "infG", "7d", "2w", "1e9w", "-5d", "90s", "nand", "2.5", "2m", "1e400", "2026-01-31", "2026-01-31 15:04", "2026-01-31T15:04:05+25:00", "0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseSize(text); err == nil && n < 0 {
			t.Fatalf("%q is %d bytes", text, n)
		}
		var m Megabytes
		if err := m.Set(text); err == nil && m <= 0 {
			t.Fatalf("%q is %d MB", text, m)
		}
		var s Seconds
		if err := s.Set(text); err == nil && !(s > 0) {
			t.Fatalf("%q is %v seconds", text, s)
		}
		var span, again Span
		if err := span.Set(text); err == nil {
			if err := again.Set(span.String()); err != nil || again != span || span <= 0 {
				t.Fatalf("%q is %v, which is read as %v, %v", text, time.Duration(span), time.Duration(again), err)
			}
		}
		now := time.Unix(1_700_000_000, 0)
		if at, err := ParseTime("since", text, now); err == nil && text != "" && Timestamp(at, false) == "" && !at.IsZero() {
			t.Fatalf("%q is %v", text, at)
		}
	})
}
