package runtime

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // a binary that runs anywhere knows all zones

	"github.com/netresearch/go-cron"
)

// Schedule tells the ticks of a trigger: the minutes at which its five fields
// match what a clock on a wall of its zone shows. Fields are those of crontab(5),
// with names, lists, ranges and steps; where both days are restricted, one of them
// is enough.
//
// When such clocks are changed, a schedule whose hours begin with "*" goes by
// elapsed time: minutes that the clock passes over are no ticks, and minutes that
// it shows twice are two. Any other is meant for a time of day: what the clock
// passes over is made up for, once, at the first moment after it, and what it
// shows twice counts the first time.
type Schedule struct {
	wall    cron.Schedule // in UTC, in which no clock is changed
	zone    *time.Location
	anyHour bool
}

// scheduleParser knows five fields, and words for some of them.
var scheduleParser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom).
	WithMaxSearchYears(maxSearchYears)

const (
	// maxSearchYears is longer than from one 29 February on a given day of the week
	// to the next.
	maxSearchYears = 50
	maxSchedule    = 200 // bytes
	// maxZone is longer than the name of any zone, in bytes.
	maxZone = 64
)

// ParseSchedule reads the schedule of a trigger. A zone without a name is UTC.
func ParseSchedule(text, zone string) (*Schedule, error) {
	const hint = `give five fields (minute, hour, day of the month, month, day of the week), such as "30 3 * * MON-FRI", or @hourly, @daily, @weekly, @monthly, @yearly`
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text)
	switch {
	case len(text) > maxSchedule:
		return nil, Errorf(CodeInvalidArgument, "the schedule has more than %d bytes", maxSchedule).WithHint(hint)
	case strings.Contains(text, "="):
		return nil, Errorf(CodeInvalidArgument, "the schedule %q names a time zone", text).WithHint("give the zone as the trigger's timezone")
	case strings.HasPrefix(lower, "@every"):
		return nil, Errorf(CodeInvalidArgument, "the schedule %q is counted from the start of a server", text).WithHint(`use steps, such as "*/15 * * * *"`)
	}
	wall, err := scheduleParser.Parse("TZ=UTC " + lower)
	why := scheduleFault(lower)
	if why == "" && err != nil {
		why = reason(err)
	}
	if why != "" {
		return nil, Errorf(CodeInvalidArgument, "the schedule %q cannot be read: %s", text, why).WithHint(hint)
	}
	s := &Schedule{wall: wall, zone: time.UTC}
	if fields := strings.Fields(lower); len(fields) > 1 {
		s.anyHour = strings.HasPrefix(fields[1], "*")
	} else {
		s.anyHour = lower == "@hourly"
	}
	if zone != "" {
		if s.zone, err = loadZone(zone); err != nil {
			return nil, err
		}
	}
	if s.wall.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, Errorf(CodeInvalidArgument, "the schedule %q never comes", text).WithHint("look at the day and the month: not every month has 31 days")
	}
	return s, nil
}

// scheduleFault says what of a schedule is not of crontab(5), and the library that
// reads it would take, or refuse in words that are not ours; empty: nothing.
func scheduleFault(lower string) string {
	fields := strings.Fields(lower)
	switch {
	case strings.HasPrefix(lower, "@") && !scheduleWord.MatchString(lower):
		return "there is no such word"
	case strings.HasPrefix(lower, "@"):
		return ""
	case len(fields) != 5:
		return fmt.Sprintf("it has %d fields", len(fields))
	}
	for _, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			if !schedulePart.MatchString(part) {
				return fmt.Sprintf("%q is not a number, a name, a range, or a step", part)
			}
		}
	}
	return ""
}

// Words for schedules, and the parts of a field's list (crontab(5)).
var (
	scheduleWord = regexp.MustCompile(`^@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)$`)
	schedulePart = regexp.MustCompile(`^(?:[*?]|` + scheduleValue + `(?:-` + scheduleValue + `)?)(?:/\d{1,4})?$`)
)

const scheduleValue = `(?:\d{1,4}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)`

// reason is what a library's error says, without what it says of itself.
func reason(err error) string {
	var invalid *cron.ValidationError
	if errors.As(err, &invalid) && invalid.Message != "" {
		return invalid.Message
	}
	return err.Error()
}

// loadZone finds a zone of the IANA database. What is no zone for everyone, or a
// path, is refused.
func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > maxZone {
		return nil, Errorf(CodeInvalidArgument, "there is no time zone %.64q", name).
			WithHint(`give the name of a zone of the IANA database, such as "Europe/Berlin", or nothing for UTC`)
	}
	return zone, nil
}

// Next is the first tick after t, zero if there is none any more.
func (s *Schedule) Next(t time.Time) time.Time {
	t = t.In(s.zone)
	shown := shownAt(t)
	for {
		// Until the clocks are changed they go as in UTC.
		from, until := t.ZoneBounds()
		ahead := aheadAt(t)
		if !from.IsZero() && !s.anyHour {
			// What the clocks have shown before counts once.
			shown = later(shown, from.UTC().Add(aheadAt(from.Add(-1))).Add(-1))
		}
		tick := s.wall.Next(shown)
		if tick.IsZero() {
			return time.Time{}
		}
		at := tick.Add(-ahead).In(s.zone)
		if until.IsZero() || at.Before(until) {
			return at
		}
		passed := until.UTC().Add(ahead) // what they would have shown
		t, shown = until, shownAt(until).Add(-1)
		if !s.anyHour && s.wall.Next(passed.Add(-1)).Before(shown) {
			return until
		}
	}
}

// Last is the last tick after one time and not after another, zero if there is
// none.
func (s *Schedule) Last(after, until time.Time) (tick time.Time) {
	// Most schedules have one in the last hour or day.
	for _, span := range []time.Duration{time.Hour, day, 31 * day, 366 * day} {
		if from := until.Add(-span); from.After(after) {
			if tick = s.lastFrom(from, until); !tick.IsZero() {
				return tick
			}
		}
	}
	return s.lastFrom(after, until)
}

func (s *Schedule) lastFrom(after, until time.Time) (last time.Time) {
	for t := s.Next(after); !t.IsZero() && !t.After(until); t = s.Next(t) {
		last = t
	}
	return last
}

const day = 24 * time.Hour

// shownAt is what a clock on a wall of t's zone shows, as a time in UTC.
func shownAt(t time.Time) time.Time { return t.UTC().Add(aheadAt(t)) }

// aheadAt is by how much such a clock is ahead of UTC.
func aheadAt(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
