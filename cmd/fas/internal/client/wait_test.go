package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// waitable is a server with one execution, which is done at some time, and which
// is away between two times.
type waitable struct {
	began      time.Time
	doneAt     time.Duration
	awayFrom   time.Duration
	awayUntil  time.Duration
	busyUntil  time.Duration // answers 429 with Retry-After: 7
	flaps      bool          // hangs up on every other request
	neverWaits bool          // answers at once, as a server that is about to stop

	mu       sync.Mutex
	requests []time.Duration // when
}

func (w *waitable) answer(t *testing.T) scripted {
	return func(r *http.Request) (*http.Response, error) {
		at := time.Since(w.began)
		w.mu.Lock()
		w.requests = append(w.requests, at)
		w.mu.Unlock()
		if w.flaps && len(w.requests)%2 == 1 {
			return nil, io.ErrUnexpectedEOF
		}
		if at < w.busyUntil {
			resp, err := say(429, `{"message":"busy","error_code":"too_busy"}`)
			resp.Header.Set("Retry-After", "7")
			return resp, err
		}
		end := at + waitAsked(t, r)
		if w.neverWaits {
			end = at
		}
		end = max(at, min(end, w.doneAt))
		if at < w.awayUntil && end >= w.awayFrom { // it goes away while it waits, if it is not away
			if err := later(r.Context(), max(w.awayFrom-at, 0)); err != nil {
				return nil, err
			}
			return nil, io.ErrUnexpectedEOF
		}
		if err := later(r.Context(), end-at); err != nil {
			return nil, err
		}
		status := "Success"
		if end < w.doneAt {
			status = "Started"
		}
		return say(200, fmt.Sprintf(`{"uuid":%q,"status":%q,"output":42}`, anID, status))
	}
}

func TestWait(t *testing.T) {
	for name, tc := range map[string]struct {
		server   *waitable
		o        WaitOptions
		want     time.Duration // when it ends
		requests int           // at most
		code     runtime.Code  // of its error
	}{
		"done before":             {&waitable{}, WaitOptions{}, 0, 1, ""},
		"one request does":        {&waitable{doneAt: 20 * time.Second}, WaitOptions{}, 20 * time.Second, 1, ""},
		"several requests":        {&waitable{doneAt: time.Minute}, WaitOptions{}, time.Minute, 3, ""},
		"often":                   {&waitable{doneAt: 3 * time.Second}, WaitOptions{Every: time.Second}, 3 * time.Second, 4, ""},
		"one that does not wait":  {&waitable{doneAt: 10 * time.Second, neverWaits: true}, WaitOptions{}, 10 * time.Second, 51, ""},
		"over a restart":          {&waitable{doneAt: 70 * time.Second, awayFrom: 10 * time.Second, awayUntil: 50 * time.Second}, WaitOptions{}, 70 * time.Second, 40, ""},
		"longer than anyone asks": {&waitable{doneAt: time.Hour}, WaitOptions{}, time.Hour, 145, ""},
		"away for good":           {&waitable{doneAt: time.Hour, awayFrom: 10 * time.Second, awayUntil: time.Hour}, WaitOptions{}, 71 * time.Second, 40, runtime.CodeUnavailable},
		"it hangs up often":       {&waitable{doneAt: 10 * time.Minute, flaps: true}, WaitOptions{}, 10 * time.Minute, 50, ""},
		"busy":                    {&waitable{busyUntil: 10 * time.Second}, WaitOptions{}, 14 * time.Second, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := tc.server
				server.began = time.Now()
				c := scriptedClient(t, server.answer(t))
				states, failures := 0, 0
				tc.o.OnError = func(error) { failures++ }
				if tc.o.Every > 0 {
					tc.o.OnState = func(Execution) { states++ }
				}
				x, err := c.Wait(t.Context(), anID, tc.o)
				took := time.Since(server.began)
				if tc.code != "" {
					if runtime.CodeOf(err) != tc.code || took > tc.want+lastPause || took < patience {
						t.Errorf("after %v: %v", took, err)
					}
					return
				}
				if err != nil || x.Status != StatusSuccess || string(x.Output) != "42" {
					t.Fatalf("%+v, %v", x, err)
				}
				if slack := lastPause; took < tc.want || took > tc.want+slack || failures == 0 && took > tc.want+leastEvery {
					t.Errorf("it took %v, want %v", took, tc.want)
				}
				if n := len(server.requests); n > tc.requests {
					t.Errorf("%d requests, want at most %d", n, tc.requests)
				}
				if tc.o.OnState != nil && states != len(server.requests) {
					t.Errorf("%d calls of OnState for %d answers", states, len(server.requests))
				}
			})
		})
	}
}

func TestWaitReturnsLastingErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		code   runtime.Code
	}{
		"gone":      {404, `{"message":"there is none","error_code":"not_found"}`, runtime.CodeNotFound},
		"the token": {401, `{"message":"no","error_code":"unauthenticated"}`, runtime.CodeUnauthenticated},
		"a page":    {200, `<html>`, runtime.CodeInternal},
	} {
		n := 0
		c := scriptedClient(t, func(*http.Request) (*http.Response, error) { n++; return say(tc.status, tc.body) })
		if _, err := c.Wait(t.Context(), anID, WaitOptions{}); runtime.CodeOf(err) != tc.code || n != 1 {
			t.Errorf("%s: %v after %d requests", name, err, n)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	for name, server := range map[string]*waitable{
		"while it waits":    {doneAt: time.Hour},
		"between two tries": {doneAt: time.Hour, awayUntil: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server.began = time.Now()
				ctx, cancel := context.WithTimeoutCause(t.Context(), 33*time.Second, errStop)
				defer cancel()
				_, err := scriptedClient(t, server.answer(t)).Wait(ctx, anID, WaitOptions{})
				if !errors.Is(err, errStop) || time.Since(server.began) != 33*time.Second {
					t.Errorf("after %v: %v", time.Since(server.began), err)
				}
			})
		})
	}
}

// A connection that is dead without a sign of it is found out.
func TestWaitNoticesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := scriptedClient(t, func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return say(200, whole)
		})
		var failures []error
		began := time.Now()
		x, err := c.Wait(t.Context(), anID, WaitOptions{OnError: func(err error) { failures = append(failures, err) }})
		if err != nil || !x.Status.Done() || len(failures) != 1 || runtime.CodeOf(failures[0]) != runtime.CodeUnavailable {
			t.Errorf("%+v, %v, failures: %v", x, err, failures)
		}
		if took := time.Since(began); took < defaultEvery+answerTime || took > defaultEvery+answerTime+firstPause {
			t.Errorf("it took %v", took)
		}
	})
}

func TestBulkIsSentAgainOnlyIfPatient(t *testing.T) {
	for _, patient := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var keys []string
			c := scriptedClient(t, func(r *http.Request) (*http.Response, error) {
				keys = append(keys, r.Header.Get("Idempotency-Key"))
				if body, err := io.ReadAll(r.Body); err != nil || string(body) != `[{"n":1}]` {
					t.Errorf("sent %s, %v", body, err)
				}
				if len(keys) < 3 {
					return nil, io.ErrUnexpectedEOF
				}
				return say(200, `["a"]`)
			})
			ids, err := c.SubmitBulk(t.Context(), "f", [][]byte{[]byte(`{"n":1}`)}, RunOptions{IdempotencyKey: "k", Patient: patient})
			switch {
			case !patient && (runtime.CodeOf(err) != runtime.CodeUnavailable || len(keys) != 1):
				t.Errorf("impatient: %v, %v, %v", ids, keys, err)
			case patient && (err != nil || len(ids) != 1 || len(keys) != 3 || keys[2] != "k"):
				t.Errorf("patient: %v, %v, %v", ids, keys, err)
			}
		})
	}
}
