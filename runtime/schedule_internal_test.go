package runtime

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netresearch/go-cron"
	"pgregory.net/rapid"
)

// plainSchedule is a schedule as lists of the matching numbers, one list for each field.
type plainSchedule struct {
	minutes, hours, days, months, weekdays []int // nil: all
	anyHour                                bool
	bothDays                               bool // a field of a day begins with "*"
}

func (p plainSchedule) matches(local time.Time) bool {
	in := func(set []int, n int) bool { return set == nil || slices.Contains(set, n) }
	day, weekday := in(p.days, local.Day()), in(p.weekdays, int(local.Weekday()))
	if !p.bothDays {
		day = day || weekday
		weekday = day
	}
	return in(p.minutes, local.Minute()) && in(p.hours, local.Hour()) && in(p.months, int(local.Month())) && day && weekday
}

// ticks returns the ticks after one time and before another, by testing each minute.
func (p plainSchedule) ticks(zone *time.Location, from, to time.Time) (all []time.Time) {
	expected := localTime(from.In(zone).Add(-time.Minute)).Add(time.Minute)
	latest := expected.Add(-time.Minute) // latest local time so far
	for t := from; t.Before(to); t = t.Add(time.Minute) {
		local := localTime(t.In(zone))
		tick := p.matches(local) && (p.anyHour || local.After(latest))
		if !p.anyHour {
			for missing := expected; missing.Before(local); missing = missing.Add(time.Minute) {
				tick = tick || p.matches(missing)
			}
		}
		if tick && t.After(from) {
			all = append(all, t)
		}
		expected = local.Add(time.Minute)
		latest = later(latest, local)
	}
	return all
}

var zonesWithChanges = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "UTC", "America/Sao_Paulo"}

// drawField draws a field and the numbers that match it.
func drawField(t *rapid.T, label string, low, high int, names []string) (text string, set []int) {
	name := func(n int) string {
		if names != nil && rapid.Bool().Draw(t, label+" by name") {
			return names[n-low]
		}
		return fmt.Sprint(n)
	}
	switch rapid.IntRange(0, 4).Draw(t, label) {
	case 0:
		return "*", nil
	case 1:
		step := rapid.IntRange(1, high-low).Draw(t, label+" step")
		if step == 1 { // restricts nothing
			return "*/1", nil
		}
		for n := low; n <= high; n += step {
			set = append(set, n)
		}
		return fmt.Sprint("*/", step), set
	case 2:
		a := rapid.IntRange(low, high).Draw(t, label+" from")
		b := rapid.IntRange(a, high).Draw(t, label+" to")
		for n := a; n <= b; n++ {
			set = append(set, n)
		}
		return name(a) + "-" + name(b), set
	default:
		var words []string
		for range rapid.IntRange(1, 3).Draw(t, label+" count") {
			n := rapid.IntRange(low, high).Draw(t, label+" number")
			set, words = append(set, n), append(words, name(n))
		}
		return strings.Join(words, ","), set
	}
}

// TestSchedulesMinuteByMinute compares random schedules with a search of every minute.
func TestSchedulesMinuteByMinute(t *testing.T) {
	months := strings.Fields("jan FEB mar apr may jun jul AUG sep oct nov dec")
	weekdays := strings.Fields("sun MON tue wed THU fri sat")
	rapid.Check(t, func(t *rapid.T) {
		var p plainSchedule
		var fields [5]string
		fields[0], p.minutes = drawField(t, "minute", 0, 59, nil)
		fields[1], p.hours = drawField(t, "hour", 0, 23, nil)
		fields[2], fields[3], fields[4] = "*", "*", "*"
		if rapid.Bool().Draw(t, "days") {
			fields[2], p.days = drawField(t, "day", 1, 31, nil)
			fields[3], p.months = drawField(t, "month", 1, 12, months)
			fields[4], p.weekdays = drawField(t, "weekday", 0, 6, weekdays)
		}
		p.anyHour = strings.HasPrefix(fields[1], "*")
		p.bothDays = strings.HasPrefix(fields[2], "*") || strings.HasPrefix(fields[4], "*")
		name := rapid.SampledFrom(zonesWithChanges).Draw(t, "zone")
		text := strings.Join(fields[:], " ")
		s, err := ParseSchedule(text, name)
		if err != nil {
			if strings.Contains(err.Error(), "never matches") && fields[2] != "*" {
				t.Skip(text)
			}
			t.Fatal(err)
		}
		// A week around a change of the local time, or any other week.
		from := time.Date(rapid.IntRange(2016, 2034).Draw(t, "year"), 1, 1, 0, 0, 0, 0, time.UTC).
			Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(t, "minute of the year")) * time.Minute)
		if _, until := from.In(s.zone).ZoneBounds(); !until.IsZero() && rapid.Bool().Draw(t, "at a change") {
			from = until.UTC().Truncate(time.Minute).Add(-time.Duration(rapid.IntRange(0, 3000).Draw(t, "before")) * time.Minute)
		}
		to := from.Add(7 * day)
		want := p.ticks(s.zone, from, to)
		var got []time.Time
		for at := s.Next(from); !at.IsZero() && at.Before(to); at = s.Next(at) {
			got = append(got, at.UTC())
		}
		if !slices.EqualFunc(want, got, time.Time.Equal) {
			t.Fatalf("%q in %s from %v ticks at\n%v\nwant\n%v", text, name, from, got, want)
		}
		if len(want) > 0 {
			if last := s.Last(from, to.Add(-1)); !last.Equal(want[len(want)-1]) {
				t.Fatalf("%q in %s: the last tick before %v is %v, want %v", text, name, to, last, want[len(want)-1])
			}
		}
	})
}

// TestSchedulesAsVixieCron checks parts of a field against what the cron of Debian 12 does with them,
// and the advice about those that it refuses or that it would never run.
func TestSchedulesAsVixieCron(t *testing.T) {
	for _, test := range []struct {
		schedule string
		bits     uint64 // of the field that is not a star
	}{
		{"*/90 * * * *", 1 << 0},
		{"*/60 * * * *", 1 << 0},
		{"*/59 * * * *", 1<<0 | 1<<59},
		{"*/99999999999999999999 * * * *", 1 << 0},
		{"1-5/90 * * * *", 1 << 1},
		{"005,00000000000006 * * * *", 1<<5 | 1<<6},
		{"5-5 * * * *", 1 << 5},
		{"* */100 * * *", 1 << 0},
		{"* * */31 * *", 1 << 1},
		{"* * * */12 *", 1 << 1},
		{"* * * jan-Mar/2,DEC *", 1<<1 | 1<<3 | 1<<12},
		{"* * * * 5-7", 1<<5 | 1<<6 | 1<<0},
		{"* * * * */7", 1 << 0},
		{"* * * * */8", 1 << 0},
		{"* * * * 7-7", 1 << 0},
		{"* * * * 1-7/3", 1<<1 | 1<<4 | 1<<0},
		{"* * * * mon-fri/2", 1<<1 | 1<<3 | 1<<5},
	} {
		if err := CheckSchedule(test.schedule, ""); err != nil {
			t.Errorf("%q is refused: %v", test.schedule, err)
			continue
		}
		s, err := ParseSchedule(test.schedule, "")
		if err != nil {
			t.Errorf("%q: %v", test.schedule, err)
			continue
		}
		var got uint64
		wall, _ := s.wall.(*cron.SpecSchedule)
		for i, bits := range []uint64{wall.Minute, wall.Hour, wall.Dom, wall.Month, wall.Dow} {
			if strings.Fields(test.schedule)[i] != "*" {
				got = bits
			}
		}
		if got != test.bits {
			t.Errorf("%q matches %b, want %b", test.schedule, got, test.bits)
		}
	}
	for schedule, advice := range map[string]string{
		"5-1 * * * *": "write 5-59,0-1", "0 22-2 * * *": "write 22-23,0-2", "0 0 * * fri-mon": "write 5-6,0-1", "0 0 * * fri-sun": "write 5-7",
		"0 0 * * 7-2": "write 0-2", "0 0 * * sat-sun": "write 6-7", "0 0 * * 7-sun": "write 0", "0 0 31-1 * *": "write 31,1", "0 0 1 nov-feb *": "write 11-12,1-2",
		"1/5 * * * *": "write 1-59/5", "0 0 * * thu/2": "write 4-6/2", "0 0 ? * *": `write "*"`,
		"*5 * * * *": "five fields", "5* * * * *": "five fields", "1-2-3 * * * *": "five fields", "*/2/3 * * * *": "five fields", "1~5 * * * *": "five fields",
		"*-5 * * * *": "five fields", "0 0 * * 5#2": "five fields", "+5 * * * *": "five fields", "-1 * * * *": "five fields", "1- * * * *": "five fields",
		"*/ * * * *": "five fields", "5-64/30 * * * *": "five fields", "jan * * * *": "five fields", "0 0 1 mon *": "five fields", "0 0 1 january *": "five fields",
		"1, * * * *": "five fields", "1-5/0 * * * *": "five fields", "@ daily": "five fields", "@reboot": "steps",
	} {
		err := CheckSchedule(schedule, "")
		coded, ok := AsError(err)
		if !ok || coded.Code != CodeInvalidArgument || !strings.Contains(coded.Hint, advice) {
			t.Errorf("the error for %q is %v, want advice with %q", schedule, err, advice)
		}
	}
}

// TestSchedulesOfEarlierVersions checks that schedules which an earlier version has stored keep their
// ticks.
func TestSchedulesOfEarlierVersions(t *testing.T) {
	for old, now := range map[string]string{
		"? 22-2 ? * FRI-MON":       "* 22-23,0-2 * * 5-6,0-1",
		"1/15 5/6 20/5 * *":        "1-59/15 5-23/6 20-31/5 * *",
		"55-5/5 * * nov-feb thu/2": "55,0,5 * * 11-12,1-2 4-6/2",
	} {
		a, err := ParseSchedule(old, "")
		if err != nil {
			t.Errorf("%q: %v", old, err)
			continue
		}
		b, err := ParseSchedule(now, "")
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%q is %+v, and %q is %+v", old, a.wall, now, b.wall)
		}
	}
}

// TestBothDaysOrOne checks the rule of Vixie cron: a field of a day that begins with "*" makes both
// days necessary.
func TestBothDaysOrOne(t *testing.T) {
	for _, test := range []struct {
		schedule string
		days     []int // of November 2026, whose first day is a Sunday
	}{
		{"0 14 */10 * 1-5", []int{11}},
		{"0 14 1,11,21,31 * 1-5", []int{1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 30}},
		{"0 14 1-7 * */7", []int{1}},
		{"0 14 13 * fri", []int{6, 13, 20, 27}},
		{"0 14 */28 * *", []int{1, 29}},
		{"0 14 *,5 * mon", []int{2, 9, 16, 23, 30}},
		{"0 14 29,* * mon", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30}},
	} {
		s, err := ParseSchedule(test.schedule, "")
		if err != nil {
			t.Errorf("%q: %v", test.schedule, err)
			continue
		}
		var days []int
		end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		for at := s.Next(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)); !at.IsZero() && at.Before(end); at = s.Next(at) {
			days = append(days, at.Day())
		}
		if !slices.Equal(days, test.days) {
			t.Errorf("%q ticks on %v, want %v", test.schedule, days, test.days)
		}
	}
}

// TestSchedulesWhenLocalTimeChanges checks the rules of the documentation.
func TestSchedulesWhenLocalTimeChanges(t *testing.T) {
	for _, test := range []struct{ schedule, zone, from, want string }{
		// 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00 again.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "03-29 01:00Z 03-30 00:30Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "10-25 00:30Z 10-26 01:30Z"},
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "03-29 00:30Z 03-29 01:30Z"},
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "10-25 00:30Z 10-25 01:30Z 10-25 02:30Z"},
		{"0,30 2-3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "03-29 01:00Z 03-29 01:30Z 03-30 00:00Z"},
		{"@daily", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "11-04 03:00Z 11-05 02:00Z"}, // the local time skips midnight
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "10-03 15:30Z 10-04 15:15Z"},
		{"45 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", "11-01 05:45Z 11-02 06:45Z"},
	} {
		s, err := ParseSchedule(test.schedule, test.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, test.from)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range strings.Count(test.want, "Z") {
			at = s.Next(at)
			got = append(got, at.UTC().Format("01-02 15:04Z"))
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s in %s after %s ticks at %s, want %s", test.schedule, test.zone, test.from, text, test.want)
		}
	}
}

func TestInvalidSchedules(t *testing.T) {
	for _, text := range []string{
		"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 9", "a * * * *", "*/0 * * * *",
		"@every 5m", "@reboot", "@sometimes", "TZ=UTC * * * * *", "CRON_TZ=UTC @daily", "0 0 30 2 *", "0 0 31 4,6 *", "H * * * *", "? ? ? ? L", "* * 15W * *", "1,,2 * * * *", "0 0 * * 5L",
		"* * * * MON#2", "* * L * *", strings.Repeat("1,", 200) + "1 * * * *", "\x00 * * * *",
	} {
		if err := CheckSchedule(text, ""); CodeOf(err) != CodeInvalidArgument {
			t.Errorf("%q is accepted: %v", text, err)
		} else if strings.Contains(err.Error(), "option") || strings.Contains(err.Error(), "strconv") {
			t.Errorf("the error for %q is worded by the library: %v", text, err)
		}
	}
	for _, zone := range []string{"Local", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "UTC+1", strings.Repeat("a", 100)} {
		if err := CheckSchedule("@daily", zone); CodeOf(err) != CodeInvalidArgument {
			t.Errorf("the zone %q is accepted: %v", zone, err)
		}
	}
	for _, text := range []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "0 0 29 2 *", "0 0 29 2 MON", "0 22-23,0-2 * * FRI-SAT,SUN-MON", " 5  4 * * THU "} {
		if err := CheckSchedule(text, "Europe/Berlin"); err != nil {
			t.Errorf("%q is rejected: %v", text, err)
		}
	}
}

// TestFarTicks computes ticks beyond the end of the database of zones, where the library's zones have no
// 31 December in leap years, for schedules with few ticks and with many.
func TestFarTicks(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Tokyo", ""} {
		for _, text := range []string{"0 0 29 2 1", "0 0 29 2 */7", "30 12 31 12 *", "0 0 1 1 *", "59 23 31 12 *", "0 */6 * * *"} {
			s, err := ParseSchedule(text, zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range []time.Time{time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), time.Date(2040, 12, 30, 22, 0, 0, 0, time.UTC), time.Date(2096, 12, 31, 5, 0, 0, 0, time.UTC)} {
				tick := from
				for range 30 {
					next := s.Next(tick)
					local := next.Add(-1)
					if !next.After(tick) || !s.wall.Next(localTime(local)).Equal(localTime(next)) {
						t.Fatalf("%q in %q: %v follows %v", text, zone, next, tick)
					}
					tick = next
				}
			}
		}
	}
}
