package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// serverTime is the layout of times in the faaspot dialect:
// 2017-07-21 15:10:52.537686+00:00.
const serverTime = "2006-01-02 15:04:05.999999999-07:00"

// Moment is a time, the zero time if it has not come yet. It decodes the times of the faaspot
// dialect. Its own JSON form is RFC 3339 in UTC, or null for the zero time.
type Moment struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (m *Moment) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text == nil {
		m.Time = time.Time{}
		return nil
	}
	t, err := time.Parse(serverTime, *text)
	if err != nil {
		return fmt.Errorf("%q is not a time", *text)
	}
	m.Time = t.UTC()
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (m Moment) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte("null"), nil
	}
	return m.UTC().MarshalJSON()
}
