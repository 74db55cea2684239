package stricttoml

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Time is a date, a time or both in ISO 8601, with the parts that the document has.
type Time string

// parseInteger reads a number whose form the parser has checked.
func parseInteger(text []byte) (int64, error) {
	n, err := strconv.ParseInt(digits(text), 0, 64)
	if err != nil {
		return 0, errors.New("the integer does not fit 64 bits")
	}
	return n, nil
}

// parseFloat reads a number whose form the parser has checked; inf and nan are numbers.
func parseFloat(text []byte) (float64, error) {
	spelled := digits(text)
	if strings.HasSuffix(spelled, "nan") {
		return math.NaN(), nil // package strconv allows no sign
	}
	f, err := strconv.ParseFloat(spelled, 64)
	if err != nil {
		return 0, errors.New("the number is too large")
	}
	return f, nil
}

// FloatJSON returns a finite float as a JSON number that readers do not take for an integer: with a
// point or an exponent.
func FloatJSON(f float64) json.Number {
	text, _ := json.Marshal(f)
	if !bytes.ContainsAny(text, ".e") {
		text = append(text, ".0"...)
	}
	return json.Number(text)
}

// digits returns a number without the underscores between its digits.
func digits(text []byte) string { return strings.ReplaceAll(string(text), "_", "") }

// timeForm is how a kind of date or time is read and written. A time without seconds is read in the
// form brief.
type timeForm struct{ full, brief, out string }

var timeForms = map[unstable.Kind]timeForm{
	unstable.LocalDate:     {"2006-01-02", "", "2006-01-02"},
	unstable.LocalTime:     {"15:04:05", "15:04", "15:04:05.999999999"},
	unstable.LocalDateTime: {"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05.999999999"},
	unstable.DateTime:      {"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", time.RFC3339Nano},
}

// parseTime reads a date or time. The parser has found where it ends, and no more.
func parseTime(kind unstable.Kind, text []byte) (Time, error) {
	form, ok := timeForms[kind]
	if !ok {
		return "", errors.New("the value is of an unknown type")
	}
	spelled := string(bytes.ToUpper(text)) // T and Z
	if kind != unstable.LocalTime && len(spelled) > len("2006-01-02") && spelled[len("2006-01-02")] == ' ' {
		spelled = spelled[:len("2006-01-02")] + "T" + spelled[len("2006-01-02 "):]
	}
	t, err := time.Parse(form.full, spelled)
	if err != nil && form.brief != "" {
		t, err = time.Parse(form.brief, spelled)
	}
	if err != nil || !exact(kind, spelled) {
		return "", errors.New("the date or time is not valid")
	}
	return Time(t.Format(form.out)), nil
}

// exact reports whether a time that package time accepts has what TOML requires beyond that: two
// digits for the hour, and an offset of less than a day.
func exact(kind unstable.Kind, spelled string) bool {
	clock := spelled
	if kind != unstable.LocalTime {
		if kind == unstable.LocalDate {
			return true
		}
		clock = spelled[len("2006-01-02T"):]
	}
	if len(clock) < len("15:04") || clock[2] != ':' {
		return false
	}
	if kind != unstable.DateTime || strings.HasSuffix(clock, "Z") {
		return true
	}
	offset := clock[len(clock)-len("07:00"):]
	return offset[:2] < "24" && offset[3:] < "60"
}
