package client

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// many is a server with executions that are done at some times.
type many struct {
	began     time.Time
	doneAt    []time.Duration
	absent    map[int]bool // dropped once done
	awayFrom  time.Duration
	awayUntil time.Duration

	requests int
	lookedUp int
}

func (m *many) status(i int) string {
	switch {
	case time.Since(m.began) < m.doneAt[i]:
		return "Started"
	case m.absent[i]:
		return "NotFound"
	}
	return "Success"
}

func (m *many) answer(t *testing.T) scripted {
	return func(r *http.Request) (*http.Response, error) {
		m.requests++
		if at := time.Since(m.began); at >= m.awayFrom && at < m.awayUntil {
			return nil, io.ErrUnexpectedEOF
		}
		if r.Method == http.MethodPost {
			var ids []string
			if err := json.NewDecoder(r.Body).Decode(&ids); err != nil {
				t.Error(err)
			}
			m.lookedUp += len(ids)
			list := make([]map[string]string, len(ids))
			for n, id := range ids {
				var i int
				if _, err := fmt.Sscan(id, &i); err != nil {
					t.Error(err)
				}
				list[n] = map[string]string{"uuid": id, "status": m.status(i)}
			}
			data, err := json.Marshal(list)
			if err != nil {
				t.Error(err)
			}
			return say(200, string(data))
		}
		var i int
		if _, err := fmt.Sscanf(r.URL.Path, "/v1/executions/%d", &i); err != nil {
			t.Error(err)
		}
		left := m.doneAt[i] - time.Since(m.began)
		if err := later(r.Context(), max(0, min(left, waitAsked(t, r)))); err != nil {
			return nil, err
		}
		if m.status(i) == "NotFound" {
			return say(404, `{"message":"there is none","error_code":"not_found"}`)
		}
		return say(200, fmt.Sprintf(`{"uuid":"%d","status":%q}`, i, m.status(i)))
	}
}

func TestWaitAll(t *testing.T) {
	inOrder := func(n int, every time.Duration) []time.Duration {
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = time.Duration(i) * every
		}
		return all
	}
	shuffled := inOrder(3000, 2*time.Millisecond)
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	reversed := inOrder(3000, 2*time.Millisecond)
	slices.Reverse(reversed)
	heldUp := inOrder(3000, 2*time.Millisecond)
	for i := range 300 { // more than a window
		heldUp[i] = time.Minute
	}
	for name, tc := range map[string]struct {
		server   many
		requests int           // at most
		lookedUp int           // at most, for each execution
		late     time.Duration // at most, that one is given after it is done
	}{
		"none":                 {many{}, 0, 0, 0},
		"done before":          {many{doneAt: make([]time.Duration, 10_000)}, 80, 1, 0},
		"one":                  {many{doneAt: []time.Duration{time.Minute}}, 121, 61, 0},
		"a few":                {many{doneAt: []time.Duration{1100 * time.Millisecond, 1200 * time.Millisecond, 20 * time.Second}}, 45, 25, firstLook},
		"in order":             {many{doneAt: inOrder(10_000, time.Millisecond)}, 200, 2, time.Second},
		"slow":                 {many{doneAt: inOrder(300, time.Second)}, 700, 300, 2 * lastLook},
		"in any order":         {many{doneAt: shuffled}, 150, 8, 6 * time.Second},
		"the last one first":   {many{doneAt: reversed}, 150, 8, 6 * time.Second},
		"the first are slow":   {many{doneAt: heldUp}, 250, 12, 30 * time.Second},
		"some are dropped":     {many{doneAt: inOrder(1000, time.Millisecond), absent: map[int]bool{0: true, 249: true, 999: true}}, 40, 3, time.Second},
		"the server goes away": {many{doneAt: inOrder(1000, 100*time.Millisecond), awayFrom: 10 * time.Second, awayUntil: 60 * time.Second}, 500, 60, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := tc.server
				m.began = time.Now()
				c := scriptedClient(t, m.answer(t))
				ids := make([]string, len(m.doneAt))
				last := m.awayUntil
				for i := range ids {
					ids[i] = fmt.Sprint(i)
					last = max(last, m.doneAt[i])
				}
				given := slices.Clone(ids)
				seen := make(map[string]Status)
				var late time.Duration
				err := c.WaitAll(t.Context(), ids, func(x Execution) {
					if _, twice := seen[x.ID]; twice || !x.Status.Done() {
						t.Errorf("%s was given twice, or is %s", x.ID, x.Status)
					}
					seen[x.ID] = x.Status
					var i int
					if _, err := fmt.Sscan(x.ID, &i); err != nil {
						t.Error(err)
					}
					late = max(late, time.Since(m.began)-m.doneAt[i])
				}, nil)
				if err != nil || len(seen) != len(ids) {
					t.Fatalf("%d of %d, %v", len(seen), len(ids), err)
				}
				for i := range m.absent {
					if seen[fmt.Sprint(i)] != StatusNotFound {
						t.Errorf("%d, which does not exist, is %s", i, seen[fmt.Sprint(i)])
					}
				}
				if !slices.Equal(given, ids) {
					t.Error("it has changed the list of its caller")
				}
				took := time.Since(m.began)
				if slack := 3*lastLook + lastPause; took > last+slack {
					t.Errorf("it took %v, the last was done after %v", took, last)
				}
				if late > tc.late {
					t.Errorf("one was given %v after it was done, want at most %v", late, tc.late)
				}
				if m.requests > tc.requests || m.lookedUp > tc.lookedUp*len(ids) {
					t.Errorf("%d requests, at most %d wanted; looked up %d, at most %d times %d wanted",
						m.requests, tc.requests, m.lookedUp, tc.lookedUp, len(ids))
				}
			})
		})
	}
}

func TestWaitAllGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &many{began: time.Now(), doneAt: []time.Duration{time.Hour}, awayFrom: time.Second, awayUntil: time.Hour}
		failures := 0
		err := scriptedClient(t, m.answer(t)).WaitAll(t.Context(), []string{"0"}, func(Execution) {}, func(error) { failures++ })
		if took := time.Since(m.began); runtime.CodeOf(err) != runtime.CodeUnavailable || took < patience || took > patience+2*lastPause || failures == 0 {
			t.Errorf("after %v and %d failures: %v", took, failures, err)
		}
	})
	c := scriptedClient(t, func(*http.Request) (*http.Response, error) {
		return say(401, `{"message":"no","error_code":"unauthenticated"}`)
	})
	if err := c.WaitAll(t.Context(), []string{"0"}, nil, nil); runtime.CodeOf(err) != runtime.CodeUnauthenticated {
		t.Errorf("without a token: %v", err)
	}
}
