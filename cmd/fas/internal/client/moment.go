package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// serverTime is how the server writes times: 2017-07-21 15:10:52.537686+00:00.
const serverTime = "2006-01-02 15:04:05.999999999-07:00"

// wireTime is a time as the server writes it. Null is the zero time.
type wireTime struct{ time.Time }

func (t *wireTime) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text == nil {
		t.Time = time.Time{}
		return nil
	}
	at, err := time.Parse(serverTime, *text)
	if err != nil {
		return fmt.Errorf("%q is not a time", *text)
	}
	t.Time = at.UTC()
	return nil
}

// Moment is a time that may not have come: its JSON form is RFC 3339 in UTC, or
// null for the zero time.
type Moment struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (m Moment) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte("null"), nil
	}
	return m.UTC().MarshalJSON()
}
