package ui

import (
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/runtime/engine"
)

func TestParseWhen(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 2, 1, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"":                                 {},
		"90s":                              now.Add(-90 * time.Second),
		"2h30m":                            now.Add(-150 * time.Minute),
		"7d":                               now.Add(-7 * 24 * time.Hour),
		"1.5d":                             now.Add(-36 * time.Hour),
		"2w":                               now.Add(-14 * 24 * time.Hour),
		"0s":                               now,
		"2026-01-31T15:04:05Z":             time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"2026-01-31T15:04:05.25+01:00":     time.Date(2026, 1, 31, 14, 4, 5, 250e6, time.UTC),
		"2026-01-31 15:04:05.537686+00:00": time.Date(2026, 1, 31, 15, 4, 5, 537686000, time.UTC),
		"2026-01-31 15:04:05":              time.Date(2026, 1, 31, 15, 4, 5, 0, zone),
		"2026-01-31 15:04":                 time.Date(2026, 1, 31, 15, 4, 0, 0, zone),
		"2026-01-31T15:04":                 time.Date(2026, 1, 31, 15, 4, 0, 0, zone),
		"2026-01-31":                       time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
	} {
		got, err := ParseTime("since", text, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"5", "soon", "d", "-2h", "-1d", "nand", "infd", "1e300d", "2026-13-01", "15:04", "7dd"} {
		if got, err := ParseTime("since", text, now); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]string{"7d": "7d", "168h": "7d", "2w": "14d", "12h": "12h0m0s", "90s": "1m30s", "1.5d": "36h0m0s"} {
		var s Span
		if err := s.Set(text); err != nil || s.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, &s, err, want)
		}
	}
	for _, text := range []string{"", "0", "0d", "-1h", "-1d", "7", "week", "40000d"} {
		var s Span
		if err := s.Set(text); err == nil {
			t.Errorf("%q: %s", text, &s)
		}
	}
	if s := Span(engine.DefaultRetentionAge); s.String() != "7d" {
		t.Errorf("the default of --retention-age is shown as %s", &s)
	}
}
