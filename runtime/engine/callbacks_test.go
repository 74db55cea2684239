package engine_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// fakePoster records all posts and answers them without a network.
type fakePoster struct {
	mu     sync.Mutex
	posts  []runtime.Post
	answer func(ctx context.Context, p runtime.Post) (int, error)
}

func (b *fakePoster) Post(ctx context.Context, p runtime.Post) (int, error) {
	b.mu.Lock()
	b.posts = append(b.posts, p)
	answer := b.answer
	b.mu.Unlock()
	if answer == nil {
		return 200, nil
	}
	return answer(ctx, p)
}

func (b *fakePoster) got() []runtime.Post {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]runtime.Post(nil), b.posts...)
}

func (b *fakePoster) answers(answer func(ctx context.Context, p runtime.Post) (int, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// plainBody renders the body of callbacks in these tests.
func plainBody(x runtime.JobExecution, tasks []runtime.Execution) []byte {
	results := make([]json.RawMessage, len(tasks))
	for i := range tasks {
		results[i] = tasks[i].Result
	}
	text, err := json.Marshal(map[string]any{"id": x.ID, "state": x.State, "results": results})
	if err != nil {
		panic(err)
	}
	return text
}

func callbackJob(retry int) runtime.JobSpec {
	return runtime.JobSpec{Triggers: []runtime.Trigger{
		{ID: "hook", Type: runtime.TriggerHTTPAsync, Path: "a/b", CallbackURL: "https://example.com/hook", CallbackSecret: "s3cret", Retry: retry},
		{ID: "plain", Type: runtime.TriggerHTTP, Path: "plain", Tasks: tasks(3)},
		{ID: "off", Type: runtime.TriggerHTTP, Path: "off", Disabled: true},
	}}
}

func trigger(t testing.TB, e *engine.Engine, path string, n int) runtime.JobExecution {
	t.Helper()
	a, _, err := e.TriggerJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: tasks(n)}, path)
	if err != nil {
		t.Fatal(err)
	}
	return a.Execution
}

func hmacOf(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func deadLetters(t testing.TB, e *engine.Engine) []runtime.Delivery {
	t.Helper()
	all, err := listDeadLetters(ctx, e, tenant, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCallbackIsPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &fakePoster{}
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}, Poster: box, CallbackBody: plainBody}, callbackJob(5))
		x := awaitJob(t, e, trigger(t, e, "a/b", 2))
		synctest.Wait()
		posts := box.got()
		if len(posts) != 1 {
			t.Fatalf("there are %d posts", len(posts))
		}
		p := posts[0]
		if want := fmt.Sprintf(`{"id":%q,"results":[{"n":0},{"n":1}],"state":"succeeded"}`, x.ID); string(p.Body) != want || p.URL != "https://example.com/hook" || p.Tenant != tenant {
			t.Errorf("%s got %s, want %s", p.URL, p.Body, want)
		}
		stamp := p.Header["X-Blaxel-Timestamp"]
		if stamp != fmt.Sprint(time.Now().Unix()) || p.Header["X-Blaxel-Signature"] != "sha256="+hmacOf("s3cret", string(p.Body)) ||
			p.Header["X-Faaspot-Signature"] != "t="+stamp+",v1="+hmacOf("s3cret", stamp+"."+string(p.Body)) {
			t.Errorf("it is signed with %v", p.Header)
		}
		if p.Header["Idempotency-Key"] != x.ID || !strings.HasPrefix(p.Header["Traceparent"], "00-"+x.TraceID+"-") {
			t.Errorf("it is sent with %v", p.Header)
		}
		// Executions without a callback post nothing.
		awaitJob(t, e, trigger(t, e, "plain", 0))
		awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1)}))
		synctest.Wait()
		if n := len(box.got()); n != 1 || len(deadLetters(t, e)) != 0 {
			t.Errorf("there are %d posts", n)
		}
	})
}

func TestUnknownTriggers(t *testing.T) {
	e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}}, callbackJob(0))
	for _, path := range []string{"", "a", "a/b/c", "off", "A/B", "\xff"} {
		if _, _, err := e.TriggerJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: tasks(1)}, path); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("the path %q: %v", path, err)
		}
	}
	for _, r := range []runtime.JobStartRequest{{Tenant: "other", Job: "sums"}, {Tenant: tenant, Job: "none"}} {
		if _, _, err := e.TriggerJob(ctx, r, "plain"); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if x := awaitJob(t, e, trigger(t, e, "plain", 0)); x.Stats.Succeeded != 3 || x.Trigger != "plain" {
		t.Errorf("without tasks the trigger's own are run: %+v", x)
	}
}

// TestCallbacksBecomeDeadLetters checks that a callback is retried at growing intervals, becomes
// a dead letter, and starts again when it is redriven.
func TestCallbacksBecomeDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &fakePoster{}
		box.answers(func(context.Context, runtime.Post) (int, error) { return 503, nil })
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}, Poster: box, CallbackBody: plainBody}, callbackJob(3))
		began := time.Now()
		x := awaitJob(t, e, trigger(t, e, "a/b", 1))
		for i := range 4 {
			synctest.Wait()
			if n := len(box.got()); n != i+1 {
				t.Fatalf("after %v it was tried %d times, want %d", time.Since(began), n, i+1)
			}
			time.Sleep((time.Second<<i)*5/4 + time.Millisecond) // with all of the jitter
		}
		time.Sleep(time.Hour)
		letters := deadLetters(t, e)
		if len(letters) != 1 || letters[0].ID != x.ID || letters[0].Attempts != 4 || letters[0].LastStatus != 503 || letters[0].LastError != "the response status was 503" {
			t.Fatalf("the dead letters are %+v", letters)
		}
		letter, err := e.GetDeadLetter(ctx, tenant, x.ID)
		if err != nil || !bytes.Equal(letter.Body, box.got()[0].Body) {
			t.Fatalf("the dead letter holds %s, %v", letter.Body, err)
		}
		if _, err := e.GetDeadLetter(ctx, "other", x.ID); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("another tenant sees it: %v", err)
		}
		for _, other := range []func() (int, error){
			func() (int, error) { return e.RedriveDeadLetters(ctx, "other", nil) },
			func() (int, error) { return e.PurgeDeadLetters(ctx, "other", []string{x.ID}) },
			func() (int, error) { return e.RedriveDeadLetters(ctx, tenant, []string{}) },
			func() (int, error) { return e.PurgeDeadLetters(ctx, tenant, []string{"none", runtime.TaskID(x.ID, 0)}) },
		} {
			if n, err := other(); n != 0 || err != nil {
				t.Errorf("%d dead letters were changed, %v", n, err)
			}
		}

		box.answers(func(context.Context, runtime.Post) (int, error) {
			return 0, runtime.Errorf(runtime.CodeInvalidArgument, "the host has an address that this server may not reach")
		})
		if n, err := e.RedriveDeadLetters(ctx, tenant, []string{x.ID, x.ID}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		time.Sleep(time.Hour)
		if letters = deadLetters(t, e); len(letters) != 1 || letters[0].Attempts != 4 || letters[0].LastStatus != 0 || !strings.Contains(letters[0].LastError, "may not reach") {
			t.Fatalf("the dead letters are %+v", letters)
		}
		box.answers(nil)
		if n, err := e.RedriveDeadLetters(ctx, tenant, nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		posts := box.got()
		if len(deadLetters(t, e)) != 0 || len(posts) != 9 || !bytes.Equal(posts[8].Body, posts[0].Body) || posts[8].Header["Idempotency-Key"] != x.ID {
			t.Fatalf("%d posts, dead letters %+v", len(posts), deadLetters(t, e))
		}
	})
}

// TestCallbacksSurviveARestart checks that the next engine posts what the previous one could not,
// including an attempt that was in progress.
func TestCallbacksSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		box := &fakePoster{}
		box.answers(func(ctx context.Context, _ runtime.Post) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		o := engine.Options{Store: store, Sandbox: &fakeSandbox{run: echo}, Poster: box, CallbackBody: plainBody}
		e, _ := jobEngine(t, o, callbackJob(1))
		x := awaitJob(t, e, trigger(t, e, "a/b", 1))
		synctest.Wait()
		if len(box.got()) != 1 {
			t.Fatal("no attempt is in progress")
		}
		now, cancel := context.WithCancel(ctx)
		cancel()
		_ = e.Close(now)
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
		box.answers(nil)
		e = newEngine(t, o)
		synctest.Wait()
		posts := box.got()
		if len(posts) != 2 || posts[1].Header["Idempotency-Key"] != x.ID {
			t.Fatalf("there are %d posts", len(posts))
		}
		if len(deadLetters(t, e)) != 0 {
			t.Fatal("an aborted attempt was counted")
		}
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
		newEngine(t, o)
		synctest.Wait()
		if n := len(box.got()); n != 2 {
			t.Fatalf("an accepted callback was posted again: %d posts", n)
		}
	})
}

// TestASlowReceiver checks that a slow receiver delays no other.
func TestASlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &fakePoster{}
		open := make(chan struct{})
		box.answers(func(ctx context.Context, p runtime.Post) (int, error) {
			if strings.Contains(p.URL, "slow") {
				select {
				case <-open:
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
			return 204, nil
		})
		s := callbackJob(0)
		s.Triggers = append(s.Triggers, runtime.Trigger{ID: "slow", Type: runtime.TriggerHTTPAsync, Path: "slow", CallbackURL: "http://slow.example.com/", CallbackSecret: "x"})
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}, Poster: box, CallbackBody: plainBody}, s)
		for range 40 {
			awaitJob(t, e, trigger(t, e, "slow", 1))
		}
		synctest.Wait()
		if n := len(box.got()); n != 2 {
			t.Fatalf("%d posts to one host at once", n)
		}
		for range 5 {
			awaitJob(t, e, trigger(t, e, "a/b", 1))
		}
		synctest.Wait()
		if n := len(box.got()); n != 7 {
			t.Fatalf("%d posts, want 5 besides the slow ones", n)
		}
		close(open)
		synctest.Wait()
		seen := map[string]bool{}
		for _, p := range box.got() {
			seen[p.Header["Idempotency-Key"]] = true
		}
		if len(seen) != 45 || len(box.got()) != 45 {
			t.Fatalf("%d of 45 executions were posted, in %d posts", len(seen), len(box.got()))
		}
	})
}

// TestJobsRunBySchedule checks that each tick starts one execution.
func TestJobsRunBySchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		o := engine.Options{Store: store, Sandbox: &fakeSandbox{run: echo}}
		e, j := jobEngine(t, o, runtime.JobSpec{Triggers: []runtime.Trigger{{ID: "tick", Type: runtime.TriggerCron, Schedule: "*/15 * * * *", Tasks: tasks(2)}}})
		time.Sleep(time.Hour + time.Second)
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
		e = newEngine(t, o) // continues with the ticks
		time.Sleep(time.Hour)
		page, err := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{Sort: runtime.SortCreatedAsc, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) != 8 {
			t.Fatalf("there are %d executions, want 8", len(page.Items))
		}
		for _, x := range page.Items {
			if x.Trigger != "tick" || x.State != runtime.StateSucceeded || x.Stats.Succeeded != 2 || x.Created.Minute()%15 != 0 || x.UserID != "" {
				t.Errorf("an execution is %+v", x)
			}
		}
		if _, err := e.DeleteJob(ctx, tenant, j.Name); err != nil {
			t.Fatal(err)
		}
		if _, err := e.CreateJob(ctx, job(runtime.JobSpec{})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if page, err = e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{Limit: 100}); err != nil || len(page.Items) != 0 {
			t.Fatalf("a job that has no schedule has %d executions, %v", len(page.Items), err)
		}
	})
}

// TestFailuresInCallbacksAreBounded: what a callback says of failures counts as results do.
func TestFailuresInCallbacksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Together less than the store takes without waiting for its disk, which has real time.
		large := strings.Repeat("é", 20*runtime.KiB)
		box := &fakePoster{}
		var bytes, failures atomic.Int64
		e, _ := jobEngine(t, engine.Options{
			Sandbox: &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
				return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "E", Message: large, Traceback: large}}, nil
			}},
			Poster: box,
			CallbackBody: func(_ runtime.JobExecution, tasks []runtime.Execution) []byte {
				for i := range tasks {
					f := tasks[i].Failure
					failures.Add(1)
					bytes.Add(int64(len(f.Message) + len(f.Traceback)))
					if !utf8.ValidString(f.Message) || f.Message == "" {
						t.Errorf("the message of task %d is %q", i, f.Message)
					}
				}
				return []byte("{}")
			},
		}, callbackJob(0))
		awaitJob(t, e, trigger(t, e, "a/b", 60))
		synctest.Wait()
		if len(box.got()) != 1 || failures.Load() != 60 || bytes.Load() < runtime.MaxJobResultBytes/2 || bytes.Load() > runtime.MaxJobResultBytes+60*256 {
			t.Errorf("%d posts, %d failures with %d bytes", len(box.got()), failures.Load(), bytes.Load())
		}
	})
}
