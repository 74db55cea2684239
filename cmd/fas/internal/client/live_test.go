package client

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFollowExecutions(t *testing.T) {
	const (
		starts  = "event: execution\ndata: {\"uuid\":\"" + anID + "\",\"status\":\"Started\"}\n\n"
		ends    = "event: execution\ndata: {\"uuid\":\"" + anID + "\",\"status\":\"Success\",\"duration_ms\":1.5}\n\n"
		listed  = "event: listed\ndata: {\"executions\":1}\n\n"
		skipped = "event: skipped\ndata: {\"changes\":7}\n\n"
		left    = "event: left\ndata: {\"uuid\":\"" + anID + "\"}\n\n"
		refused = `{"message":"no","error_code":"permission_denied"}`
	)
	for name, tc := range map[string]struct {
		streams []stream
		want    string
	}{
		"a list and changes": {[]stream{{pieces: []string{starts, listed, comment, ends, left, skipped}}, {status: 403, body: refused}}, "Started|listed|Success|skipped 7|status 403: permission_denied: no"},
		"a broken line":      {[]stream{{pieces: []string{starts, listed}, fails: io.ErrUnexpectedEOF}, {pieces: []string{ends, listed}}, {status: 403, body: refused}}, "Started|listed|error|Success|listed|status 403: permission_denied: no"},
		"silence":            {[]stream{{pieces: []string{listed, ends}, pause: 2 * silence}, {status: 403, body: refused}}, "error|status 403: permission_denied: no"},
		"not what it should be": {
			[]stream{{pieces: []string{"event: execution\ndata: 17\n\n"}}},
			"internal: the answer of http://server.test is not what was expected: event execution: json: cannot unmarshal number into Go value of type wire.Execution[github.com/faaspot/faaspot/cmd/fas/internal/client.Moment]",
		},
		"a callback": {[]stream{{pieces: []string{"event: execution\ndata: {\"status\":\"Pending\"}\n\n"}}}, "Pending|stop"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var story []string
				add := func(s string) error { story = append(story, s); return nil }
				err := followed(t, tc.streams).FollowExecutions(t.Context(), Filter{Completed: true}, 5, LiveList{
					Execution: func(x Execution) error {
						if x.Status == StatusPending {
							return errors.Join(add("Pending"), errors.New("stop"))
						}
						return add(string(x.Status))
					},
					Listed:  func() error { return add("listed") },
					Skipped: func(n int) error { return add(fmt.Sprint("skipped ", n)) },
					OnError: func(error) { _ = add("error") },
				})
				if diff := cmp.Diff(tc.want, strings.Join(append(story, err.Error()), "|")); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestStatsSpan(t *testing.T) {
	c := newClient(t, Options{URL: "http://server.test", Token: token})
	if d, err := c.StatsSpan(Stats{From: "2026-01-31 14:04:00.000000+00:00", To: "2026-01-31 15:04:05.5+00:00"}); err != nil || d != time.Hour+5500*time.Millisecond {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := c.StatsSpan(Stats{From: "yesterday", To: "2026-01-31 15:04:05.5+00:00"}); err == nil {
		t.Error("a wrong time is accepted")
	}
}
