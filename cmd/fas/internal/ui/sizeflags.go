package ui

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Seconds is a flag value: a time limit in seconds, or as a Go duration ("2m"). Zero means that the
// flag is not set.
type Seconds float64

func (s *Seconds) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if d, durationErr := time.ParseDuration(text); err != nil && durationErr == nil {
		v, err = d.Seconds(), nil
	}
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v <= 0 {
		return errors.New(`give seconds, such as 2.5, or a duration, such as 2m`)
	}
	*s = Seconds(v)
	return nil
}

func (s *Seconds) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }
func (s *Seconds) Type() string   { return "seconds" }

// Megabytes is a flag value: memory in MB, or with a unit ("1GB"). Zero means that the flag is not
// set.
type Megabytes int64

func (m *Megabytes) Set(text string) error {
	if v, err := strconv.ParseInt(text, 10, 32); err == nil && v > 0 {
		*m = Megabytes(v)
		return nil
	}
	v, err := parseSize(text)
	if err != nil || v < runtime.MiB || v%runtime.MiB != 0 {
		return errors.New(`give whole MB, such as 256, or a size, such as 1GB`)
	}
	*m = Megabytes(v / runtime.MiB)
	return nil
}

func (m *Megabytes) String() string { return strconv.FormatInt(int64(*m), 10) }
func (m *Megabytes) Type() string   { return "MB" }

// ByteSize is a flag value: a size such as 512MB or 4GB.
type ByteSize int64

func (b *ByteSize) Set(text string) error {
	v, err := parseSize(text)
	if err != nil {
		return err
	}
	*b = ByteSize(v)
	return nil
}

func (b *ByteSize) String() string {
	if *b <= 0 {
		return ""
	}
	return SizeText(int64(*b))
}

func (b *ByteSize) Type() string { return "SIZE" }

// units are powers of 1024, as everywhere in faaspot.
var units = []struct {
	names []string // the output uses the first one
	bytes int64
}{
	{[]string{"GB", "GiB", "G"}, 1 << 30},
	{[]string{"MB", "MiB", "M"}, 1 << 20},
	{[]string{"KB", "KiB", "K"}, 1 << 10},
	{[]string{"bytes", "B"}, 1},
}

// parseSize parses a size with its unit. It refuses a number without a unit: some programs take
// that as bytes, others as MB.
func parseSize(text string) (int64, error) {
	text = strings.TrimSpace(text)
	for _, unit := range units {
		for _, name := range unit.names {
			number, ok := cutSuffixFold(text, name)
			if !ok {
				continue
			}
			v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err == nil && v >= 0 && v*float64(unit.bytes) < math.MaxInt64/2 {
				return int64(v * float64(unit.bytes)), nil
			}
		}
	}
	return 0, errors.New(`give a size with its unit, such as 512MB or 4GB`)
}

func cutSuffixFold(text, suffix string) (string, bool) {
	n := len(text) - len(suffix)
	if n < 0 || !strings.EqualFold(text[n:], suffix) {
		return text, false
	}
	return text[:n], true
}

// AboutSize renders a number of bytes for people, in the largest unit with at most one decimal.
func AboutSize(n int64) string {
	for _, unit := range units {
		if n >= unit.bytes && unit.bytes > 1 {
			text := strconv.FormatFloat(float64(n)/float64(unit.bytes), 'f', 1, 64)
			return strings.TrimSuffix(text, ".0") + " " + unit.names[0]
		}
	}
	return SizeText(n)
}

// SizeText renders a number of bytes in the largest unit in which it is a whole number.
func SizeText(n int64) string {
	for _, unit := range units {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d %s", n/unit.bytes, unit.names[0])
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
