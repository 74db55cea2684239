package runtime_test

import (
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// FuzzSchedule reads schedules and zones. What is accepted stays readable, and its ticks are whole
// minutes that move forwards.
func FuzzSchedule(f *testing.F) {
	for _, c := range [][2]string{
		{"30 3 * * MON-FRI", "Europe/Berlin"},
		{"*/15 */2 1,15 * *", "UTC"},
		{"@daily", ""},
		{"0 2 29 2 *", "America/New_York"},
		{"0 0 31 2 *", ""},
		{"? ? ? ? ?", ""},
		{"22-2 5/15 * jan-dec sun-sat", "Asia/Kathmandu"},
		{"@every 1s", ""},
		{"TZ=UTC * * * * *", ""},
		{"* * * * *", "../UTC"},
		{"1-0 * * * *", "Local"},
		{"59 23 * * 7", "Australia/Lord_Howe"},
		{"0 0 1 1 */2", "Africa/Monrovia"},
	} {
		f.Add(c[0], c[1], int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, text, zone string, seconds int64) {
		checked := runtime.CheckSchedule(text, zone)
		s, err := runtime.ParseSchedule(text, zone)
		for _, err := range []error{checked, err} {
			if e, ok := runtime.AsError(err); err != nil && (!ok || e.Code != runtime.CodeInvalidArgument || e.Hint == "") {
				t.Fatalf("%q, %q: %v", text, zone, err)
			}
		}
		if checked == nil && err != nil {
			t.Fatalf("%q, %q is accepted, but cannot be read: %v", text, zone, err)
		}
		if err != nil {
			return
		}
		after := time.Unix(seconds%(1<<33), 0) // until the year 2242
		next := s.Next(after)
		if next.IsZero() {
			return
		}
		if !next.After(after) || next.Nanosecond() != 0 || checked == nil && next.Second() != 0 && next.Year() > 1972 {
			t.Fatalf("%q, %q: the tick after %v is %v", text, zone, after, next)
		}
		if last := s.Last(after, next); !last.Equal(next) {
			t.Fatalf("%q, %q: the last tick until %v is %v", text, zone, next, last)
		}
	})
}

// FuzzSearchCursor reads positions of searches. One that is read is written as it was read.
func FuzzSearchCursor(f *testing.F) {
	const id = "01900000-0000-7000-8000-000000000000"
	for _, text := range []string{"1.2.3." + id, "-9223372036854775808.9223372036854775807.0." + id, "1.2.3.x", "+1.2.3." + id, "9223372036854775808.2.3." + id, "..."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var scan, again runtime.SearchScan
		if err := scan.DecodeCursor(text); err != nil {
			if runtime.CodeOf(err) != runtime.CodeInvalidArgument {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		written := scan.EncodeCursor(*scan.From)
		if err := again.DecodeCursor(written); err != nil || *again.From != *scan.From || again.Start != scan.Start || again.End != scan.End {
			t.Fatalf("%q is written as %q, which is read as %+v, %v", text, written, again, err)
		}
	})
}

// FuzzParseRID reads resource identifiers. One that is read is the identifier of what was read.
func FuzzParseRID(f *testing.F) {
	const id = "01900000-0000-7000-8000-000000000000"
	for _, text := range []string{runtime.FunctionRID(id), runtime.JobRID(id), "ri.x", id, runtime.JobRID("{" + id + "}"), runtime.FunctionRID("")} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, job, ok := runtime.ParseRID(text)
		if written := map[bool]string{false: runtime.FunctionRID(id), true: runtime.JobRID(id)}[job]; ok && written != text {
			t.Fatalf("%q is read as %q", text, written)
		}
	})
}
