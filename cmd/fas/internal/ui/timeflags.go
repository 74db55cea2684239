package ui

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// Span is a flag value: a positive duration, which may also be in days or weeks.
type Span time.Duration

func (s *Span) Set(text string) error {
	d, err := parseSpan(text)
	if err != nil || d <= 0 {
		return errors.New("give a duration, such as 90s, 12h, 7d or 2w")
	}
	*s = Span(d)
	return nil
}

func (s *Span) String() string {
	d := time.Duration(*s)
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return d.String()
}

func (s *Span) Type() string { return "DURATION" }

const day = 24 * time.Hour

// parseSpan parses a duration as [time.ParseDuration] does, or a number of days ("7d") or weeks
// ("2w").
func parseSpan(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": day, "w": 7 * day} {
		number, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n*float64(length) < float64(maxSpan)) {
			return 0, errors.New("not a duration")
		}
		return time.Duration(n * float64(length)), nil
	}
	return time.ParseDuration(text)
}

// maxSpan bounds durations to what fits into nanoseconds.
const maxSpan = 100 * 365 * day

// localTimes are the layouts of times without a time zone.
var localTimes = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"}

// ParseTime parses the value of a flag: a time, or how long before now. An empty value is the zero
// time.
func ParseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := parseSpan(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	for _, layout := range localTimes {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, clierror.Usagef(`give a time, such as 2026-01-31T15:04:05Z or "2026-01-31 15:04", or how long ago, such as 90s, 2h or 7d`,
		"--%s: %s is not a time", flag, Quote(text))
}

// Timestamp renders a time: for people in the local time zone, for programs in RFC 3339. The zero
// time is empty.
func Timestamp(t time.Time, people bool) string {
	switch {
	case t.IsZero():
		return ""
	case people:
		return t.Local().Format("2006-01-02 15:04:05")
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// LineTimestamp renders the time of a line of a log, like [Timestamp] with milliseconds.
func LineTimestamp(t time.Time, people bool) string {
	if people {
		return t.Local().Format("2006-01-02 15:04:05.000")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// SecondsText renders a duration in whole seconds.
func SecondsText(d time.Duration) string { return d.Truncate(time.Second).String() }

// DurationText renders a duration in milliseconds or seconds, with two to four digits.
func DurationText(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
