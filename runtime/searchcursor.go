package runtime

import (
	"strconv"
	"strings"
	"time"
)

// EncodeCursor returns the Next of a page that ends at a position: START.END.START.ID, with times
// in nanoseconds since 1970. The first two are the window of the scan, so that the default of the
// start means the same on every page as on the first.
func (s *SearchScan) EncodeCursor(p SearchPosition) string {
	number := func(t time.Time) string { return strconv.FormatInt(nanos(t), 10) }
	return strings.Join([]string{number(s.Start), number(s.End), number(p.Start), p.ID}, ".")
}

// DecodeCursor sets the scan to continue at next, the Next of a page.
func (s *SearchScan) DecodeCursor(next string) error {
	parts := strings.Split(next, ".")
	var times [3]time.Time
	ok := len(parts) == len(times)+1
	for i := 0; ok && i < len(times); i++ {
		ns, err := strconv.ParseInt(parts[i], 10, 64)
		ok = err == nil
		times[i] = time.Unix(0, ns).UTC()
	}
	if !ok || IDTime(parts[len(times)]).IsZero() {
		return Errorf(CodeInvalidArgument, "the position %q was not returned with a page", next).
			WithHint("start from the first page")
	}
	s.Start, s.End = times[0], times[1]
	s.From = &SearchPosition{times[2], parts[len(times)]}
	return nil
}

// nanos returns the nanoseconds since 1970, bounded to what an int64 can hold.
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
