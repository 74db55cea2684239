package runtime

import (
	"strconv"
	"strings"
	"time"
)

// The Next of a page is the window that its query had, so that what is now stays
// what it was for the first page, and a position: START.END.START.ID, times in
// nanoseconds since 1970.

func (o *SearchScan) Cursor(p SearchPosition) string {
	number := func(t time.Time) string { return strconv.FormatInt(nanos(t), 10) }
	return strings.Join([]string{number(o.Start), number(o.End), number(p.Start), p.ID}, ".")
}

// Resume has the observation begin at the Next of a page.
func (o *SearchScan) Resume(next string) error {
	parts := strings.Split(next, ".")
	var times [3]time.Time
	ok := len(parts) == len(times)+1
	for i := 0; ok && i < len(times); i++ {
		ns, err := strconv.ParseInt(parts[i], 10, 64)
		ok = err == nil
		times[i] = time.Unix(0, ns).UTC()
	}
	if !ok || idTime(parts[len(times)]).IsZero() {
		return Errorf(CodeInvalidArgument, "the position %q is not one that a page has given", next).
			WithHint("begin at the first page")
	}
	o.Start, o.End = times[0], times[1]
	o.From = &SearchPosition{times[2], parts[len(times)]}
	return nil
}

// nanos is the time since 1970, or the first or last time that can be told so.
func nanos(t time.Time) int64 {
	const first, last = -1 << 63, 1<<63 - 1
	switch {
	case t.Before(time.Unix(0, first)):
		return first
	case t.After(time.Unix(0, last)):
		return last
	}
	return t.UnixNano()
}
