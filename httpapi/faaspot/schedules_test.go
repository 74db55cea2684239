package faaspot_test

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// TestLastTick checks that an answer has no tick that RFC 3339 cannot write, and that the search for ticks
// in very many years ends.
func TestLastTick(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, &apitest.Fake{}, nil)
	for query, want := range map[string]string{
		"schedule=*+*+*+*+*&from=9999-12-31T23:57:30Z":                         `["9999-12-31T23:58:00Z","9999-12-31T23:59:00Z"]`,
		"schedule=0+0+1+1+*&from=9999-06-01T00:00:00Z":                         `[]`,
		"schedule=0+0+1+1+*&n=1&from=2040-12-31T12:00:00Z&timezone=Asia/Tokyo": `["2041-01-01T00:00:00+09:00"]`,
	} {
		if a := ts.Do(t, "GET", "/v1/schedules/next?"+query, "", nil); a.Status != 200 || !strings.Contains(a.Body, `"next":`+want) {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	a := ts.Do(t, "GET", "/v1/schedules/next?schedule=0+0+29+2+*/7&n=100&timezone=Europe/Berlin&from=2026-01-01T00:00:00Z", "", nil)
	if n := strings.Count(a.Body, "-02-29T00:00:00+01:00"); a.Status != 200 || n != 100 {
		t.Errorf("%d, %d ticks", a.Status, n)
	}
}
