package runtime

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// scheduleWords are the keywords for schedules, with the fields that each stands for.
var scheduleWords = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// fieldRange is what one of the five fields of a schedule may contain.
type fieldRange struct {
	name      string
	low, high int
	names     []string // of the numbers from low on
}

// sunday is the second number of Sunday, which is also 0.
const sunday = 7

var (
	fieldRanges = [5]fieldRange{
		{name: "minute", low: 0, high: 59},
		{name: "hour", low: 0, high: 23},
		{name: "day of the month", low: 1, high: 31},
		{name: "month", low: 1, high: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{name: "day of the week", low: 0, high: sunday, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
	weekdays = &fieldRanges[4]
)

// fieldBits is one parsed field of a schedule.
type fieldBits struct {
	bits uint64 // bit n: the number n matches
	star bool   // whether the field begins with a star
}

// scheduleBits parses the five fields of a schedule, or a keyword, in lower case. stored also reads what
// earlier versions accepted.
func scheduleBits(lower string, stored bool) (all [5]fieldBits, err *Error) {
	if strings.HasPrefix(lower, "@") {
		word, ok := scheduleWords[lower]
		if !ok {
			return all, Errorf(CodeInvalidArgument, "it is not a known keyword")
		}
		lower = word
	}
	fields := strings.Fields(lower)
	if len(fields) != len(all) {
		return all, Errorf(CodeInvalidArgument, "it has %d fields", len(fields))
	}
	for i, field := range fields {
		all[i].star = field[0] == '*' || stored && field[0] == '?'
		for part := range strings.SplitSeq(field, ",") {
			bits, err := fieldRanges[i].parse(part, stored)
			if err != nil {
				return all, err
			}
			all[i].bits |= bits
		}
	}
	return all, nil
}

// parse returns the numbers that one part of a list matches: a star, a number or a range, the first and
// the last also with a step.
func (f *fieldRange) parse(part string, stored bool) (bits uint64, err *Error) {
	span, stepText, hasStep := strings.Cut(part, "/")
	step := 1
	if hasStep {
		var ok bool
		if step, ok = number(stepText); !ok || step == 0 {
			return 0, f.errorf(part, "has a step that is not a number from 1 on")
		}
	}
	first, last, isRange := strings.Cut(span, "-")
	from, to := f.low, f.high
	switch {
	case span == "*", stored && span == "?":
	case span == "?":
		return 0, f.errorf(part, `has a "?", which crontab(5) does not know`).WithHint(`write "*"`)
	default:
		if from, err = f.value(part, first); err != nil {
			return 0, err
		}
		switch {
		case isRange:
			if to, err = f.value(part, last); err != nil {
				return 0, err
			}
		case !hasStep:
			to = from
		case !stored:
			return 0, f.errorf(part, "has a step without a range").WithHint(fmt.Sprintf("write %d-%d/%s", from, f.last(), stepText))
		}
	}
	count := f.high + 1 - f.low
	if from > to {
		if !stored {
			return 0, f.errorf(part, "is a range that ends before it begins").WithHint("write " + f.unwrap(from, to))
		}
		to += count // the range continues at the lowest number
	}
	for n := from; n <= to; n += step {
		bits |= 1 << (f.low + (n-f.low)%count)
	}
	return bits, nil
}

// value parses a number or a name of the field.
func (f *fieldRange) value(part, text string) (int, *Error) {
	if i := slices.Index(f.names, text); i >= 0 {
		return f.low + i, nil
	}
	n, ok := number(text)
	switch {
	case !ok && f.names != nil:
		return 0, f.errorf(part, "is not a number, a name, a range, or a step")
	case !ok:
		return 0, f.errorf(part, "is not a number, a range, or a step")
	case n < f.low || n > f.high:
		return 0, f.errorf(part, "is not within %d-%d", f.low, f.high)
	}
	return n, nil
}

// last returns the highest number that has no second one.
func (f *fieldRange) last() int {
	if f == weekdays {
		return sunday - 1
	}
	return f.high
}

// unwrap returns the text for a range that continues at the lowest number, with ranges that do not.
func (f *fieldRange) unwrap(from, to int) string {
	join := func(from, to int) string {
		if from == to {
			return strconv.Itoa(from)
		}
		return fmt.Sprintf("%d-%d", from, to)
	}
	switch {
	case f == weekdays && from == sunday:
		return join(0, to)
	case f == weekdays && to == 0:
		return join(from, sunday)
	}
	return join(from, f.last()) + "," + join(f.low, to)
}

func (f *fieldRange) errorf(part, format string, args ...any) *Error {
	return Errorf(CodeInvalidArgument, "the %s %q %s", f.name, part, fmt.Sprintf(format, args...))
}

// number parses decimal digits. A number above 9999 is returned as some number above 999, which no
// field has.
func number(digits string) (n int, ok bool) {
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		if n < 1000 {
			n = n*10 + int(digits[i]-'0')
		}
	}
	return n, digits != ""
}
