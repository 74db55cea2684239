package runtime

import (
	"cmp"
	"strings"
	"time"
	_ "time/tzdata" // a binary that runs anywhere knows all zones

	"github.com/netresearch/go-cron"
)

// Schedule computes the ticks of a trigger: the minutes at which its five fields match the local
// time of its zone. Fields are those of crontab(5) and are read as Vixie cron reads them; see
// [CheckSchedule]. If a field of a day begins with "*", both days must match, also for "*/2";
// otherwise one of them is enough.
//
// At a change of the local time, as for summer time, a schedule whose hours start with "*"
// follows elapsed time: minutes that the local time skips have no ticks, and minutes that occur
// twice have two. Any other schedule is meant for a time of day: ticks that the local time skips
// are made up for, once, at the first moment after the change, and of minutes that occur twice
// only the first counts.
type Schedule struct {
	wall    cron.Schedule // in UTC, which has no such changes
	zone    *time.Location
	anyHour bool
}

const (
	// maxSearchYears is longer than the time from one 29 February on a given day of the week to
	// the next.
	maxSearchYears = 50
	maxSchedule    = 200 // bytes
	// maxZone is longer than the name of any zone, in bytes.
	maxZone = 64

	scheduleHint = `use five fields (minute, hour, day of the month, month, day of the week), such as "30 3 * * MON-FRI", or @hourly, @daily, @weekly, @monthly, @yearly`
)

// CheckSchedule checks the schedule of a new trigger. It accepts what Vixie cron accepts and runs, with
// names in any case. What Vixie cron ignores or never runs is an error: text after a number or a star,
// a range that ends before it begins, and days that no month has.
func CheckSchedule(text, zone string) error {
	_, err := parseSchedule(text, zone, false)
	return err
}

// ParseSchedule parses the schedule of a trigger that was accepted. Beyond [CheckSchedule] it reads
// what earlier versions accepted: "?" for "*", ranges that continue at the lowest number, such as 22-2,
// and 5/15 for 5-59/15. An empty zone means UTC.
func ParseSchedule(text, zone string) (*Schedule, error) { return parseSchedule(text, zone, true) }

func parseSchedule(text, zone string, stored bool) (*Schedule, error) {
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text)
	switch {
	case len(text) > maxSchedule:
		return nil, Errorf(CodeInvalidArgument, "the schedule has more than %d bytes", maxSchedule).WithHint(scheduleHint)
	case strings.Contains(text, "="):
		return nil, Errorf(CodeInvalidArgument, "the schedule %q names a time zone", text).WithHint("set the trigger's timezone instead")
	case strings.HasPrefix(lower, "@every"), lower == "@reboot":
		return nil, Errorf(CodeInvalidArgument, "the schedule %q depends on the start of the server", text).WithHint(`use steps, such as "*/15 * * * *"`)
	}
	fields, err := scheduleBits(lower, stored)
	if err != nil {
		return nil, Errorf(CodeInvalidArgument, "the schedule %q cannot be read: %s", text, err.Message).WithHint(cmp.Or(err.Hint, scheduleHint))
	}
	s := &Schedule{zone: time.UTC, anyHour: fields[1].star}
	s.wall = &cron.SpecSchedule{
		Second: 1, Minute: fields[0].bits, Hour: fields[1].bits, Dom: fields[2].bits, Month: fields[3].bits,
		Dow: cron.NormalizeDOW(fields[4].bits), DowOrDom: !fields[2].star && !fields[4].star,
		Location: time.UTC, MaxSearchYears: maxSearchYears,
	}
	if zone != "" {
		var err error
		if s.zone, err = loadZone(zone); err != nil {
			return nil, err
		}
	}
	if s.wall.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, Errorf(CodeInvalidArgument, "the schedule %q never matches", text).WithHint("check the day and the month: not every month has 31 days")
	}
	return s, nil
}

// loadZone returns a zone of the IANA database. It refuses paths, and "Local", which differs
// between machines.
func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > maxZone {
		return nil, Errorf(CodeInvalidArgument, "there is no time zone %.64q", name).
			WithHint(`use the name of a zone in the IANA database, such as "Europe/Berlin", or leave it empty for UTC`)
	}
	return zone, nil
}

// Next returns the first tick after t, zero if there is none.
func (s *Schedule) Next(t time.Time) time.Time {
	t = t.In(s.zone)
	local := localTime(t)
	wall := wallSearch{of: s.wall}
	for {
		// Within these bounds the local time advances as UTC does.
		from, until := zoneBounds(t)
		offset := offsetAt(t)
		if !from.IsZero() && !s.anyHour {
			// A local time that occurred before the last change counts once.
			local = later(local, from.UTC().Add(offsetAt(from.Add(-1))).Add(-1))
		}
		tick := wall.next(local)
		if tick.IsZero() {
			return time.Time{}
		}
		at := tick.Add(-offset).In(s.zone)
		if until.IsZero() || at.Before(until) {
			return at
		}
		passed := until.UTC().Add(offset) // the local time without the change
		t, local = until, localTime(until).Add(-1)
		if !s.anyHour && wall.next(passed.Add(-1)).Before(local) {
			return until
		}
	}
}

// wallSearch remembers a tick that is the next one after several times: a schedule may have no tick in
// many years, whose changes of the local time are passed one by one.
type wallSearch struct {
	of         cron.Schedule
	from, tick time.Time // there is no tick after from but before tick; zero: not known yet
}

// next returns the first tick after a local time, zero if there is none.
func (w *wallSearch) next(local time.Time) time.Time {
	if w.tick.IsZero() || local.Before(w.from) || !local.Before(w.tick) {
		w.from, w.tick = local, w.of.Next(local)
	}
	return w.tick
}

// zoneBounds returns t.ZoneBounds with an end after t. The library takes each year for 365 days where the
// database of zones ends, from 2038 on: on the last day of a leap year its end is not after t.
func zoneBounds(t time.Time) (from, until time.Time) {
	from, until = t.ZoneBounds()
	if !until.IsZero() && !until.After(t) {
		until = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).In(t.Location())
	}
	return from, until
}

// Last returns the last tick after one time and not after another, zero if there is none.
func (s *Schedule) Last(after, until time.Time) (tick time.Time) {
	// Most schedules have a tick in the last hour or day.
	for _, span := range []time.Duration{time.Hour, day, 31 * day, 366 * day} {
		if from := until.Add(-span); from.After(after) {
			if tick = s.lastFrom(from, until); !tick.IsZero() {
				return tick
			}
		}
	}
	return s.lastFrom(after, until)
}

// lastFrom returns the last tick, found by visiting each one.
func (s *Schedule) lastFrom(after, until time.Time) (last time.Time) {
	for t := s.Next(after); !t.IsZero() && !t.After(until); t = s.Next(t) {
		last = t
	}
	return last
}

const day = 24 * time.Hour

// localTime returns the local time of t's zone, as a time in UTC.
func localTime(t time.Time) time.Time { return t.UTC().Add(offsetAt(t)) }

// offsetAt returns the offset of the local time of t's zone from UTC.
func offsetAt(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
