package runtime

import (
	"testing"
	"time"
)

// TestSchedulesBeyondTheTablesOfZones visits ticks far ahead, where zones follow a rule, and the ends of leap
// years, on which the library's bounds of a zone do not advance.
func TestSchedulesBeyondTheTablesOfZones(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "Africa/Casablanca"} {
		s, err := ParseSchedule("30 12 * * *", zone)
		if err != nil {
			t.Fatal(err)
		}
		tick := time.Date(2036, 1, 1, 0, 0, 0, 0, s.zone)
		for day := range 25 * 366 {
			next := s.Next(tick)
			if y, m, d := time.Date(2036, 1, 1+day, 12, 30, 0, 0, s.zone).Date(); next.Year() != y || next.Month() != m || next.Day() != d || next.Hour() != 12 || next.Minute() != 30 {
				t.Fatalf("%s: after %v comes %v", zone, tick, next)
			}
			tick = next
		}
	}
}
