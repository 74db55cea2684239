package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// stream is one connection of a follower: the request that it must send, and the response, piece by
// piece; then the connection ends, with or without an error.
type stream struct {
	lastID string
	pieces []string
	pause  time.Duration // before each piece
	fails  error
	status int    // if it is not a stream but an error
	body   string // of that
}

const (
	logOne  = "event: log\nid: 1.4\ndata: {\"stream\":\"stdout\",\"text\":\"one\\n\"}\n\n"
	logTwo  = "event: log\nid: 1.8\ndata: {\"stream\":\"stderr\",\"text\":\"two\\n\"}\n\n"
	again   = "event: attempt\ndata: {\"attempt\":2}\n\n"
	logNew  = "event: log\nid: 2.4\ndata: {\"stream\":\"stdout\",\"text\":\"new\\n\"}\n\n"
	end     = "event: end\ndata: {\"uuid\":\"" + anID + "\",\"status\":\"Success\",\"output\":1}\n\n"
	comment = ": \n\n"
)

func TestFollow(t *testing.T) {
	for name, tc := range map[string]struct {
		streams []stream
		want    string
	}{
		"at once":          {[]stream{{pieces: []string{logOne + logTwo + end}}}, "stdout one|stderr two|end"},
		"bit by bit":       {[]stream{{pieces: strings.SplitAfter(logOne+logTwo+end, ""), pause: time.Second}}, "stdout one|stderr two|end"},
		"another attempt":  {[]stream{{pieces: []string{logOne, again, logNew, end}}}, "stdout one|attempt 2|stdout new|end"},
		"unknown events":   {[]stream{{pieces: []string{"event: weather\ndata: rain\n\n", logOne, "retry: 5\n\n", end}}}, "stdout one|end"},
		"long and quiet":   {[]stream{{pieces: append(slices.Repeat([]string{comment}, 200), end), pause: 10 * time.Second}}, "end"},
		"an orderly close": {[]stream{{pieces: []string{logOne}}, {lastID: "1.4", pieces: []string{logTwo, end}}}, "stdout one|stderr two|end"},
		"a broken line":    {[]stream{{pieces: []string{logOne}, fails: io.ErrUnexpectedEOF}, {lastID: "1.4", pieces: []string{logTwo, end}}}, "stdout one|error|stderr two|end"},
		"cut in an event": {
			[]stream{{pieces: []string{logOne, logTwo[:20]}, fails: io.ErrUnexpectedEOF}, {lastID: "1.4", pieces: []string{logTwo, end}}},
			"stdout one|error|stderr two|end",
		},
		"closed in an event": {[]stream{{pieces: []string{logOne, logTwo[:20]}}, {lastID: "1.4", pieces: []string{logTwo, end}}}, "stdout one|stderr two|end"},
		"lost behind an attempt": {
			[]stream{{pieces: []string{logOne, again}, fails: io.ErrUnexpectedEOF}, {lastID: "1.4", pieces: []string{again, logNew, end}}},
			"stdout one|attempt 2|error|stdout new|end",
		},
		"silence": {
			[]stream{{pieces: []string{logOne, logTwo}, pause: 2 * silence}, {lastID: "", pieces: []string{logOne, end}}},
			"error|stdout one|end",
		},
		"lost again and again": {
			append(slices.Repeat([]stream{{pieces: []string{comment}, pause: 20 * time.Second, fails: io.ErrUnexpectedEOF}}, 9), stream{pieces: []string{end}}),
			strings.Repeat("error|", 9) + "end",
		},
		"a server that is away": {
			[]stream{{pieces: []string{logOne}, fails: io.ErrUnexpectedEOF}, {lastID: "1.4", status: 503, body: `{"message":"starting","error_code":"unavailable"}`}, {lastID: "1.4", pieces: []string{end}}},
			"stdout one|error|error|end",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var story []string
				add := func(s string) { story = append(story, s) }
				x, err := followed(t, tc.streams).Follow(t.Context(), anID, LogOptions{}, Followed{
					Entry:   func(e LogEntry) error { add(string(e.Stream) + " " + strings.TrimSpace(e.Text)); return nil },
					Attempt: func(n int) error { add(fmt.Sprint("attempt ", n)); return nil },
					OnError: func(error) { add("error") },
				})
				if err != nil {
					t.Fatal(err)
				}
				if x.ID == anID && x.Status == StatusSuccess {
					add("end")
				}
				if diff := cmp.Diff(tc.want, strings.Join(story, "|")); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// followed returns a client whose server sends one stream after the other.
func followed(t *testing.T, streams []stream) *Client {
	next := 0
	t.Cleanup(func() {
		if next != len(streams) {
			t.Errorf("%d connections, want %d", next, len(streams))
		}
	})
	return scriptedClient(t, func(r *http.Request) (*http.Response, error) {
		if next == len(streams) {
			t.Error("one connection too many")
			return say(404, `{"message":"gone","error_code":"not_found"}`)
		}
		s := streams[next]
		next++
		if got := r.Header.Get("Last-Event-ID"); got != s.lastID {
			t.Errorf("connection %d resumes after %q, want %q", next, got, s.lastID)
		}
		if accept, query := r.Header.Get("Accept"), r.URL.RawQuery; accept != "text/event-stream" || !strings.HasPrefix(query, "follow=1") {
			t.Errorf("requested %s, %s", accept, query)
		}
		if s.status != 0 {
			return say(s.status, s.body)
		}
		resp, err := say(200, "")
		resp.Header.Set("Content-Type", "text/event-stream; charset=utf-8")
		body, feed := io.Pipe()
		ctx := r.Context()
		resp.Body = cutBody{body, ctx}
		go func() {
			for _, piece := range s.pieces {
				if err := later(ctx, s.pause); err != nil {
					feed.CloseWithError(err)
					return
				}
				if _, err := io.WriteString(feed, piece); err != nil {
					return
				}
			}
			feed.CloseWithError(s.fails)
		}()
		return resp, err
	})
}

// cutBody ends with its request's context, as bodies do.
type cutBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b cutBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

func TestFollowGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		stream stream
		code   runtime.Code
	}{
		"no such execution": {stream{status: 404, body: `{"message":"there is none","error_code":"not_found"}`}, runtime.CodeNotFound},
		"no stream":         {stream{status: 200, body: `{}`}, runtime.CodeInternal},
		"not JSON":          {stream{pieces: []string{"event: log\ndata: hello\n\n"}}, runtime.CodeInternal},
		"endless line":      {stream{pieces: []string{strings.Repeat("x", maxLine+1)}}, runtime.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := followed(t, []stream{tc.stream}).Follow(t.Context(), anID, LogOptions{}, Followed{})
				if runtime.CodeOf(err) != tc.code {
					t.Errorf("got %v, want %s", err, tc.code)
				}
			})
		})
	}
}

func TestFollowGivesUpAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := scriptedClient(t, func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
		_, err := c.Follow(t.Context(), anID, LogOptions{}, Followed{})
		if took := time.Since(began); runtime.CodeOf(err) != runtime.CodeUnavailable || took < patience || took > patience+lastPause {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// The caller's functions can stop Follow, and so can the context.
func TestFollowStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := followed(t, []stream{{pieces: []string{logOne, logTwo, end}}})
		_, err := c.Follow(t.Context(), anID, LogOptions{}, Followed{Entry: func(LogEntry) error { return errStop }})
		if !errors.Is(err, errStop) {
			t.Errorf("got %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStop)
		defer cancel()
		c := followed(t, []stream{{pieces: []string{end}, pause: 5 * time.Second}})
		if _, err := c.Follow(ctx, anID, LogOptions{}, Followed{}); !errors.Is(err, errStop) {
			t.Errorf("got %v", err)
		}
	})
}

// A slow reader of the log, such as a pager, does not count as silence of the server.
func TestFollowIsPatientWithSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := followed(t, []stream{{pieces: []string{logOne, logTwo, end}}})
		x, err := c.Follow(t.Context(), anID, LogOptions{}, Followed{
			Entry:   func(LogEntry) error { time.Sleep(2 * silence); return nil },
			OnError: func(err error) { t.Error(err) },
		})
		if err != nil || !x.Status.Done() {
			t.Errorf("%+v, %v", x, err)
		}
	})
}

func TestFollowOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var query string
		c := scriptedClient(t, func(r *http.Request) (*http.Response, error) {
			query = r.URL.RawQuery
			return say(404, `{"message":"there is none","error_code":"not_found"}`)
		})
		_, _ = c.Follow(t.Context(), anID, LogOptions{Only: Stderr}, Followed{})
		if query != "follow=1&stream=stderr" {
			t.Errorf("requested %s", query)
		}
	})
}
