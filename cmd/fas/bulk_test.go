package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// bulkServer accepts a number of bulks, and then fails.
type bulkServer struct {
	accepts int
	fails   func(w http.ResponseWriter)

	mu    sync.Mutex // a handler may outlive its connection
	keys  []string
	sizes []int
}

func (s *bulkServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var args []json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	s.sizes = append(s.sizes, len(args))
	if len(s.keys) > s.accepts {
		s.fails(w)
		return
	}
	ids := make([]string, len(args))
	for i := range ids {
		ids[i] = fmt.Sprintf("%d-%d", len(s.keys), i)
	}
	_ = json.NewEncoder(w).Encode(ids)
}

func refuses(w http.ResponseWriter) {
	w.WriteHeader(400)
	_, _ = io.WriteString(w, `{"message":"no such thing","error_code":"invalid_argument","hint":"mend it"}`)
}

func hangsUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	conn.Close()
}

// A bulk that fails reports what is known, and how to send the rest without starting a run twice.
func TestBulkThatFails(t *testing.T) {
	const runs = runtime.MaxBulk + 5
	file := filepath.Join(t.TempDir(), "args.jsonl")
	if err := os.WriteFile(file, []byte(strings.Repeat("{}\n", runs)), 0o600); err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`--idempotency-key ([0-9a-f-]{36}): no run is started twice`)
	for name, tc := range map[string]struct {
		accepts int
		fails   func(http.ResponseWriter)
		flags   []string
		status  int
		ids     int
		message string
		repeat  bool // the hint says how to send the rest
	}{
		"at once, refused":      {0, refuses, nil, 2, 0, "error: no such thing\nhint: mend it\n", false},
		"at once, lost":         {0, hangsUp, nil, 5, 0, "closed the connection before it answered; 0 of 10005 runs are known to be accepted\n", true},
		"in the midst":          {1, refuses, nil, 2, runtime.MaxBulk, "error: no such thing; 10000 of 10005 runs are known to be accepted\n", true},
		"in the midst, waiting": {1, refuses, []string{"--wait"}, 2, runtime.MaxBulk, "error: no such thing; 10000 of 10005 runs are known to be accepted\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &bulkServer{accepts: tc.accepts, fails: tc.fails}
			web := httptest.NewServer(s)
			defer web.Close()
			env := []string{"FAASPOT_CONFIG=" + profileFor(t, web.URL)}
			status, out, talk := fas(t, env, append([]string{"functions", "run_bulk", "f", "--file", file}, tc.flags...)...)
			if status != tc.status || strings.Count(out, "\n") != tc.ids || !strings.Contains(talk, tc.message) {
				t.Errorf("status %d, %d ids: %s", status, strings.Count(out, "\n"), talk)
			}
			hint := key.FindStringSubmatch(talk)
			if (hint != nil) != tc.repeat {
				t.Fatalf("the hint to send the rest: %q", hint)
			}
			if !tc.repeat {
				return
			}
			s.mu.Lock()
			sent := s.keys
			s.keys, s.accepts = nil, 2
			s.mu.Unlock()
			status, out, talk = fas(t, env, "functions", "run_bulk", "f", "--file", file, "--idempotency-key", hint[1])
			if status != 0 || strings.Count(out, "\n") != runs {
				t.Errorf("again: status %d, %d ids: %s", status, strings.Count(out, "\n"), talk)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if diff := cmp.Diff(sent, s.keys[:len(sent)]); diff != "" || len(s.keys) != 2 || s.keys[0] == s.keys[1] {
				t.Errorf("the same runs have other keys: %v, %s", s.keys, diff)
			}
			if last := s.sizes[len(s.sizes)-2:]; last[0] != runtime.MaxBulk || last[1] != 5 {
				t.Errorf("sent %v", s.sizes)
			}
		})
	}
}

// The output with --json is JSON, however the command ends.
func TestJSONOfFailedBulk(t *testing.T) {
	for _, accepts := range []int{0, 1} {
		web := httptest.NewServer(&bulkServer{accepts: accepts, fails: refuses})
		env := []string{"FAASPOT_CONFIG=" + profileFor(t, web.URL)}
		_, out, _ := fas(t, env, "functions", "run_bulk", "f", "-p", "a=1", "-p", "a=2", "--json")
		var ids []string
		if err := json.Unmarshal([]byte(out), &ids); err != nil || len(ids) != 2*accepts {
			t.Errorf("%d accepted: %v, %s", accepts, err, out)
		}
		web.Close()
	}
}

// Many executions are cancelled at once, and reported in the given order.
func TestCancelManyAtOnce(t *testing.T) {
	const count = 3 * cancelAtOnce
	gate := make(chan struct{})
	var open sync.Once
	var mu sync.Mutex
	inside, most := 0, 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if inside++; inside > most {
			most = inside
		}
		if inside == cancelAtOnce {
			open.Do(func() { close(gate) }) // no request continues until the largest number has arrived
		}
		mu.Unlock()
		<-gate
		id := strings.TrimPrefix(r.URL.Path, "/v1/executions/")
		if strings.HasSuffix(id, "7") {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, `{"message":"there is none","error_code":"not_found"}`)
		} else {
			_, _ = fmt.Fprintf(w, `{"uuid":%q,"status":"Cancelled","changed":true,"message":"gone"}`, id)
		}
		mu.Lock()
		inside--
		mu.Unlock()
	}))
	defer web.Close()
	args := []string{"executions", "cancel"}
	var want strings.Builder
	absent := 0
	for i := range count {
		id := fmt.Sprintf("019aa8f0-93c1-7d1e-a1f7-%012d", i)
		args = append(args, id)
		if i%10 == 7 {
			absent++
			fmt.Fprintf(&want, "%s\tNotFound\tthere is none\n", id)
			continue
		}
		fmt.Fprintf(&want, "%s\tCancelled\tgone\n", id)
	}
	status, out, talk := fas(t, []string{"FAASPOT_CONFIG=" + profileFor(t, web.URL)}, args...)
	if status != clierror.ExitNotFound || !strings.Contains(talk, fmt.Sprintf("%d of %d executions do not exist", absent, count)) {
		t.Errorf("status %d, %s", status, talk)
	}
	if diff := cmp.Diff(want.String(), out); diff != "" {
		t.Error(diff)
	}
	if most != cancelAtOnce {
		t.Errorf("%d at the same time, want %d", most, cancelAtOnce)
	}
}

// An error of the server ends the command; it reports the results so far.
func TestCancelThatFails(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.TrimPrefix(r.URL.Path, "/v1/executions/")
		if strings.HasSuffix(id, "0") {
			_, _ = fmt.Fprintf(w, `{"uuid":%q,"status":"Cancelled","message":"gone"}`, id)
			return
		}
		w.WriteHeader(401)
		_, _ = io.WriteString(w, `{"message":"no","error_code":"unauthenticated"}`)
	}))
	defer web.Close()
	env := []string{"FAASPOT_CONFIG=" + profileFor(t, web.URL)}
	const first, second = "019aa8f0-93c1-7d1e-a1f7-000000000000", "019aa8f0-93c1-7d1e-a1f7-000000000001"
	status, out, talk := fas(t, env, "executions", "cancel", second, "--json")
	if status != clierror.ExitAuth || out != "[]\n" || !strings.Contains(talk, "\"message\": \"no\"") {
		t.Errorf("status %d, %s, %s", status, out, talk)
	}
	if status, out, _ = fas(t, env, "executions", "cancel", first); status != 0 || out != first+"\tCancelled\tgone\n" {
		t.Errorf("status %d, %s", status, out)
	}
}
