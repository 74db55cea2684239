package faaspot_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// scripted is a feed that reports what a test sends.
type scripted struct {
	changes chan change
	closed  atomic.Int32
}

type change struct {
	ids    []string
	missed int
	last   bool
}

func newScripted() *scripted { return &scripted{changes: make(chan change, 100)} }

func (s *scripted) Next(ctx context.Context) (ids []string, missed int, more bool) {
	select {
	case c := <-s.changes:
		return c.ids, c.missed, !c.last
	case <-ctx.Done():
		return nil, 0, true
	}
}

func (s *scripted) Close() { s.closed.Add(1) }

// liveEvents begins a live list, and returns a function that reads its next event, as name and id.
func liveEvents(t *testing.T, ts *apitest.Served, query, token string) (next func() string, resp *http.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://api.test/v1/executions/?follow=1"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+token)
	if resp, err = ts.Client.Do(req); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	events := make(chan string, 1000)
	go func() {
		defer close(events)
		_ = readEvents(bufio.NewReader(resp.Body), func(e event) {
			var data map[string]any
			if err := json.Unmarshal([]byte(e.data), &data); err != nil {
				t.Errorf("%q: %v", e.data, err)
			}
			switch e.name {
			case "execution":
				events <- fmt.Sprintf("execution %v %v", data["uuid"].(string)[34:], data["status"])
			case "left":
				events <- "left " + data["uuid"].(string)[34:]
			default:
				events <- e.name + " " + strings.Trim(e.data, "{}")
			}
		})
	}()
	return func() string { return <-events }, resp
}

// TestLiveList checks the events of a live list, for each kind of filter.
func TestLiveList(t *testing.T) {
	t.Parallel()
	id := func(n int) string { return fmt.Sprintf("%s%02d", apitest.ID[:34], n) }
	all := map[string]runtime.Execution{}
	for n, state := range []runtime.State{runtime.StateQueued, runtime.StateRunning, runtime.StateSucceeded, runtime.StateFailed} {
		all[id(n)] = apitest.ExecutionAt(id(n), state)
	}
	other := apitest.ExecutionAt(id(4), runtime.StateQueued)
	other.Function = "g"
	all[id(4)] = other
	changes := []change{{ids: []string{id(0), id(1), id(2)}}, {ids: []string{id(3), id(4), id(99)}, missed: 7}}
	for name, c := range map[string]struct {
		query string
		want  []string
	}{
		"unfinished": {"&limit=3", []string{
			"execution 01 Started", "execution 00 Pending", `listed "executions":2`,
			"execution 00 Pending", "execution 01 Started", "left 02", "left 03", "execution 04 Pending", "left 99", `skipped "changes":7`,
		}},
		"all": {"&include_completed=1&limit=0", []string{
			`listed "executions":0`,
			"execution 00 Pending", "execution 01 Started", "execution 02 Success", "execution 03 Failed", "execution 04 Pending", `skipped "changes":7`,
		}},
		"failed":   {"&status=failed&limit=1", []string{"execution 01 Started", `listed "executions":1`, "execution 03 Failed", `skipped "changes":7`}},
		"function": {"&function=g&limit=0", []string{`listed "executions":0`, "execution 04 Pending", "left 99", `skipped "changes":7`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			feed := newScripted()
			fake := &apitest.Fake{}
			fake.All, fake.Order, fake.Feed = all, []string{id(1), id(0)}, feed // the fake lists these whatever the filter is
			ts := apitest.StartTCP(t, fake, nil)
			next, resp := liveEvents(t, ts, c.query, apitest.Token)
			for _, change := range changes {
				feed.changes <- change
			}
			var got []string
			for range c.want {
				got = append(got, next())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			_ = resp.Body.Close()
			for ts.Waiting() > 0 || feed.closed.Load() != 1 {
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// TestLiveListEndsWithItsFeed lets a feed end, whose place another tenant gets: the client receives what has
// changed before, and the end of its stream.
func TestLiveListEndsWithItsFeed(t *testing.T) {
	t.Parallel()
	feed := newScripted()
	fake := &apitest.Fake{}
	fake.All, fake.Feed = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateQueued)}, feed
	ts := apitest.StartTCP(t, fake, nil)
	next, _ := liveEvents(t, ts, "&limit=0", apitest.Token)
	feed.changes <- change{ids: []string{apitest.ID}, last: true}
	for _, want := range []string{`listed "executions":0`, "execution " + apitest.ID[34:] + " Pending", ""} {
		if got := next(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for ts.Waiting() > 0 || feed.closed.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
}

// TestLiveListOfALimitedToken checks that a token which is limited to functions sees its own executions
// only, also in a live list.
func TestLiveListOfALimitedToken(t *testing.T) {
	t.Parallel()
	own, others := apitest.ExecutionAt(apitest.ID, runtime.StateQueued), apitest.ExecutionAt(apitest.OtherID, runtime.StateQueued)
	own.Caller.UserID, others.Caller.UserID = "limited", "ada"
	own.Created, others.Created = time.Now().Add(time.Hour), time.Now().Add(time.Hour)
	feed := newScripted()
	fake := &apitest.Fake{}
	fake.All, fake.Feed = map[string]runtime.Execution{own.ID: own, others.ID: others}, feed
	fake.Order = []string{others.ID, own.ID}
	k := apitest.OpenAccess(t)
	token := apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "default", Name: "limited", Scope: runtime.ScopeInvoke, Functions: []string{"f"}})
	ts := apitest.StartTCP(t, fake, func(o *httpapi.Options) { o.Auth = k })
	next, _ := liveEvents(t, ts, "", token)
	feed.changes <- change{ids: []string{others.ID, "unknown", own.ID}}
	want := []string{"execution cd Pending", `listed "executions":1`, "execution cd Pending"}
	for _, event := range want {
		if got := next(); got != event {
			t.Errorf("got %s, want %s", got, event)
		}
	}
}

// TestSlowLiveList checks that a live list without memory for what has changed reads nothing, and says how
// much it has left out; and that one without memory at all is refused.
func TestSlowLiveList(t *testing.T) {
	t.Parallel()
	b := memory.New(64*runtime.MiB, nil)
	feed := newScripted()
	fake := &apitest.Fake{}
	fake.All, fake.Feed = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateQueued)}, feed
	ts := apitest.StartTCP(t, fake, func(o *httpapi.Options) { o.Memory = b })
	next, resp := liveEvents(t, ts, "&limit=0", apitest.Token)
	if got := next(); got != `listed "executions":0` {
		t.Fatal(got)
	}
	others := b.Open(memory.Options{Name: "others"})
	taken := b.Total() - b.Used() - 160*runtime.KiB - b.Reserve()/2
	others.Add(taken)
	feed.changes <- change{ids: []string{apitest.ID}, missed: 2}
	if got := next(); got != `skipped "changes":3` {
		t.Error(got)
	}
	apitest.WantError(t, ts.Do(t, "GET", "/v1/executions/?follow=1", "", nil), 429, "too_busy")
	others.Give(taken)
	feed.changes <- change{ids: []string{apitest.ID}}
	if got := next(); got != "execution cd Pending" {
		t.Error(got)
	}
	_ = resp.Body.Close()
	apitest.Eventually(t, func() bool {
		for _, h := range b.Holders() {
			if h.Name == "followers" {
				return h.Bytes == 0
			}
		}
		return false
	})
}

// TestSlowReaderOfALiveList has clients read the first executions at different speeds: one that would take
// longer than it may for any answer is gone, however often it reads a little.
func TestSlowReaderOfALiveList(t *testing.T) {
	t.Parallel()
	for pause, want := range map[time.Duration]error{time.Millisecond: nil, 300 * time.Millisecond: faaspot.ErrClientGone} {
		synctest.Test(t, func(t *testing.T) {
			server, client := net.Pipe()
			read := make(chan struct{})
			go func() {
				defer close(read)
				for chunk := make([]byte, 4096); ; time.Sleep(pause) {
					if _, err := client.Read(chunk); err != nil {
						return
					}
				}
			}()
			fake := &apitest.Fake{}
			fake.All = map[string]runtime.Execution{}
			for n := range 20 {
				x := apitest.ExecutionAt(fmt.Sprintf("%s%02d", apitest.ID[:34], n), runtime.StateFailed)
				x.Failure = &runtime.Failure{Class: runtime.ClassError, Message: strings.Repeat("m", 4096)}
				fake.All[x.ID], fake.Order = x, append(fake.Order, x.ID)
			}
			held, err := faaspot.SendLiveList(server, bufio.NewWriter(server), fake, 20)
			if !errors.Is(err, want) || held != 0 {
				t.Errorf("reading every %v: %v, %d bytes are held", pause, err, held)
			}
			_ = server.Close()
			<-read
		})
	}
}

// TestLiveListParameters checks what is refused, and that HEAD follows nothing.
func TestLiveListParameters(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil)
	for _, query := range []string{"follow=maybe", "follow=1&limit=-1", "follow=1&limit=1001", "follow=1&status=x", "limit=0"} {
		apitest.WantError(t, ts.Do(t, "GET", "/v1/executions/?"+query, "", nil), 400, "invalid_argument")
	}
	if a := ts.Do(t, "HEAD", "/v1/executions/?follow=1", "", nil); a.Status != 200 || ts.Waiting() != 0 {
		t.Errorf("%d, %d wait", a.Status, ts.Waiting())
	}
	fake.Renew(func(f *apitest.Fake) { f.Failing = runtime.Errorf(runtime.CodeTooBusy, "too many follow") })
	apitest.WantError(t, ts.Do(t, "GET", "/v1/executions/?follow=1", "", nil), 429, "too_busy")
	if n := ts.Waiting(); n != 0 {
		t.Errorf("%d places are held", n)
	}
}
