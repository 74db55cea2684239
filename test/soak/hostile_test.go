//go:build linux

package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/test/attack"
	"github.com/faaspot/faaspot/test/process"
)

// foe is a tenant that does one hostile thing after the other.
type foe struct {
	*world
	name   string
	client *process.Client
	rng    *rand.Rand
}

// action is one hostile thing. It goes on until ctx ends. An error means that the server did something
// else than answer, refuse or disconnect.
type action struct {
	name string
	run  func(*foe, context.Context) error
}

// actions returns all hostile things: those of package attack, and those of this package.
func (w *world) actions() []action {
	all := []action{
		{"programs that never do what they should", (*foe).programs},
		{"malformed HTTP", (*foe).malformed},
		{"requests that arrive byte by byte", (*foe).drip},
		{"bulks that are cancelled", (*foe).cancelBulks},
		{"redeploys of a function that runs", (*foe).redeploys},
		{"a tenant that is deleted during its runs", (*foe).deletedTenant},
		{"full logs that are followed", (*foe).fullLogs},
		{"callbacks to receivers that do not answer", (*foe).callbacks},
		{"connections to hostile peers", (*foe).connections},
		{"bundles that are no zips", (*foe).bundles},
		{"callers that hang up", (*foe).hangUps},
		{"forged ids, cursors, names and tokens", (*foe).forgeries},
	}
	for _, a := range attack.All() {
		all = append(all, action{a.Name, func(f *foe, ctx context.Context) error {
			return a.Run(ctx, attack.Target{Base: f.client.Base, Token: f.client.Token})
		}})
	}
	return all
}

func (w *world) newFoe(name string) *foe {
	w.t.Helper()
	client, err := w.newTenant(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return &foe{w, name, client, rand.New(rand.NewPCG(w.rng.Uint64(), w.rng.Uint64()))}
}

// serve does one thing after the other until ctx ends.
func (f *foe) serve(ctx context.Context) {
	defer f.client.Close()
	for ctx.Err() == nil {
		a := f.draw(f.rng)
		slice, stop := context.WithTimeout(ctx, sliceTime)
		if err := a.run(f, slice); err != nil {
			f.t.Errorf("%s: %v", a.name, err)
		}
		<-slice.Done()
		stop()
		f.happened("times: " + a.name)
	}
}

// send sends a request once. A fault of the server is an error; the answer may be lost.
func (f *foe) send(ctx context.Context, method, path, body string, headers ...string) (r process.Reply, err error) {
	r, err = f.client.Do(ctx, method, path, body, headers...)
	switch {
	case err != nil:
		return process.Reply{}, nil // a lost answer is no fault
	case r.Status == http.StatusInternalServerError && (r.Code() == "" || r.Code() == "internal"):
		return r, fmt.Errorf("%s %.200s: %d %.500s", method, path, r.Status, r.Body)
	case (r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable) && r.Header.Get("Retry-After") == "":
		return r, fmt.Errorf("%s %.200s: %d without Retry-After: %.500s", method, path, r.Status, r.Body)
	}
	return r, nil
}

// deploy deploys a function, again and again while the server is busy. ok is false if ctx ends first.
func (f *foe) deploy(ctx context.Context, name, code string, fields ...any) (ok bool, err error) {
	for ctx.Err() == nil {
		r, err := f.send(ctx, "PUT", "/v1/functions/"+name, process.FunctionJSON("", code, fields...))
		if err != nil || r.Status == http.StatusOK {
			return err == nil, err
		}
		if r.Status == http.StatusBadRequest {
			return false, fmt.Errorf("%s is not deployed: %s", name, r.Body)
		}
		pause(ctx, 50*time.Millisecond)
	}
	return false, nil
}

// submit starts runs in the background, and returns their ids, none if the server refuses.
func (f *foe) submit(ctx context.Context, name string, args []string) (ids []string, err error) {
	r, err := f.send(ctx, "POST", "/v1/functions/"+name+"/bulk_rpc/", process.JSONArray(args))
	if err == nil && r.Status == http.StatusOK {
		err = json.Unmarshal(r.Body, &ids)
	}
	return ids, err
}

// programs runs some hostile programs at once, with and without a caller that waits.
func (f *foe) programs(ctx context.Context) error {
	const atOnce = 4
	failures := make([]error, atOnce)
	var all sync.WaitGroup
	for i := range failures {
		rng := rand.New(rand.NewPCG(f.rng.Uint64(), 0))
		all.Go(func() {
			for ctx.Err() == nil && failures[i] == nil {
				failures[i] = f.program(ctx, fmt.Sprint("program-", i), rng)
			}
		})
	}
	all.Wait()
	return errors.Join(failures...)
}

// program runs one hostile program.
func (f *foe) program(ctx context.Context, name string, rng *rand.Rand) error {
	p := programs[rng.IntN(len(programs))]
	if ok, err := f.deploy(ctx, name, p.code, "memory", 64, "timeout", 0.5); !ok {
		return err
	}
	args := fmt.Sprintf(`{"seed":%d}`, rng.IntN(1_000_000))
	ids, err := f.submit(ctx, name, []string{args, args})
	if err != nil {
		return err
	}
	r, err := f.send(ctx, "POST", "/v1/sync/functions/"+name+"/rpc/", args)
	if err == nil && r.Status == http.StatusOK && p.fails {
		err = fmt.Errorf("it succeeds with %s: %.200s", args, r.Body)
	}
	for _, id := range ids {
		if err == nil {
			_, err = f.send(ctx, "GET", "/v1/executions/"+id+"?wait=2", "")
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	f.happened("hostile programs that were run")
	return nil
}

// malformed sends texts that are no requests: none gets a result.
func (f *foe) malformed(ctx context.Context) error {
	for ctx.Err() == nil {
		text := strings.ReplaceAll(malformed[f.rng.IntN(len(malformed))], "TOKEN", f.client.Token)
		answer := f.exchange(ctx, text)
		if strings.HasPrefix(answer, "HTTP/1.1 2") || strings.HasPrefix(answer, "HTTP/1.1 500") {
			return fmt.Errorf("%.200q is answered with %.200q", text, answer)
		}
		f.happened("malformed requests")
	}
	return nil
}

// connect opens a connection that ends with ctx.
func (f *foe) connect(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(f.client.Base, "http://"))
	if err == nil {
		context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	return conn, err
}

// exchange sends a text, and returns what comes back until the server closes or ctx ends.
func (f *foe) exchange(ctx context.Context, text string) string {
	conn, err := f.connect(ctx)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
	_ = conn.(*net.TCPConn).CloseWrite()
	var answer bytes.Buffer
	_, _ = io.Copy(&answer, io.LimitReader(conn, 1<<20))
	return answer.String()
}

// drip sends heads and bodies byte by byte over many connections.
func (f *foe) drip(ctx context.Context) error {
	head := "POST /v1/sync/functions/drip/rpc/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token " + f.client.Token + "\r\n"
	texts := []string{head + strings.Repeat("X: y\r\n", 100), head + "Content-Length: 60000\r\n\r\n{", head + "Transfer-Encoding: chunked\r\n\r\n", "\x16\x03\x01"}
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			conn, err := f.connect(ctx)
			if err != nil {
				return
			}
			defer conn.Close()
			for _, b := range []byte(texts[i%len(texts)]) {
				if _, err := conn.Write([]byte{b}); err != nil || !pause(ctx, 10*time.Millisecond) {
					return
				}
			}
			<-ctx.Done()
		})
	}
	all.Wait()
	return nil
}

func (f *foe) cancelBulks(ctx context.Context) error {
	if ok, err := f.deploy(ctx, "sleep", process.SleepCode, "memory", 64, "timeout", 30); !ok {
		return err
	}
	for ctx.Err() == nil {
		ids, err := f.submit(ctx, "sleep", process.SleepArgs(200, 10))
		if err != nil {
			return err
		}
		for _, i := range f.rng.Perm(len(ids)) {
			if _, err := f.send(ctx, "DELETE", "/v1/executions/"+ids[i], ""); err != nil {
				return err
			}
			f.happened("cancellations")
		}
		pause(ctx, 20*time.Millisecond)
	}
	return nil
}

// redeploys replaces a function with a large image while callers run it.
func (f *foe) redeploys(ctx context.Context) error {
	var callers sync.WaitGroup
	defer callers.Wait()
	for i := 0; ctx.Err() == nil; i++ {
		code := fmt.Sprintf("X = bytearray(b'x') * (10 << 20)\ndef main(args, context): return [%d, len(X)]", i)
		if ok, err := f.deploy(ctx, "changing", code, "memory", 96, "timeout", 5); !ok {
			return err
		}
		callers.Go(func() {
			if r, err := f.send(ctx, "POST", "/v1/sync/functions/changing/rpc/", "{}"); err != nil {
				f.t.Errorf("a run during redeploys: %d %v", r.Status, err)
			}
		})
	}
	return nil
}

// deletedTenant creates a tenant, and deletes it while it runs and deploys.
func (f *foe) deletedTenant(ctx context.Context) error {
	name := f.name + "-short"
	client, err := f.newTenant(name)
	if err != nil {
		return err
	}
	other := &foe{f.world, name, client, f.rng}
	defer client.Close()
	var callers sync.WaitGroup
	defer callers.Wait()
	if _, err = other.deploy(ctx, "sleep", process.SleepCode, "memory", 64, "timeout", 30); err == nil {
		_, err = other.submit(ctx, "sleep", process.SleepArgs(50, 5))
	}
	for range 4 {
		callers.Go(func() { _, _ = other.send(ctx, "POST", "/v1/sync/functions/sleep/rpc/", `{"n":1,"seconds":5}`) })
	}
	pause(ctx, 300*time.Millisecond)
	return errors.Join(err, f.deleteTenant(name))
}

// fullLogs writes more than a log holds, while clients follow it and hang up.
func (f *foe) fullLogs(ctx context.Context) error {
	const code = "import os\ndef main(args, context):\n    while True:\n        os.write(1, b'o' * 5000 + b'\\n')\n        os.write(2, b'\\x1b[2J\\x00' * 100)\n"
	if ok, err := f.deploy(ctx, "logs", code, "memory", 64, "timeout", 1); !ok {
		return err
	}
	var followers sync.WaitGroup
	defer followers.Wait()
	for ctx.Err() == nil {
		ids, err := f.submit(ctx, "logs", []string{"{}", "{}"})
		if err != nil {
			return err
		}
		for _, id := range ids {
			for range 5 {
				followers.Go(func() {
					brief, stop := context.WithTimeout(ctx, 500*time.Millisecond)
					defer stop()
					_, _ = f.send(brief, "GET", "/v1/executions/"+id+"/logs?follow=1", "")
				})
			}
		}
		pause(ctx, 500*time.Millisecond)
	}
	return nil
}

// callbacks runs jobs whose receivers are silent, slow or gone, and deletes them at once.
func (f *foe) callbacks(ctx context.Context) error {
	if ok, err := f.deploy(ctx, "brief", "def main(args, context): return 1", "memory", 64); !ok {
		return err
	}
	for i := 0; ctx.Err() == nil; i++ {
		for kind, port := range f.peers {
			name := fmt.Sprintf("job-%d", i%3)
			body := fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"function":"brief","triggers":[{"type":"http-async","configuration":{"path":"go","callbackUrl":"http://127.0.0.1:%d/%s","retry":1,"tasks":[{},{}]}}]}}`, name, port, kind)
			for _, r := range [][3]string{{"POST", "/v0/jobs", body}, {"POST", "/v0/jobs/" + name + "/triggers/go", ""}, {"DELETE", "/v0/jobs/" + name, ""}} {
				if _, err := f.send(ctx, r[0], r[1], r[2]); err != nil {
					return err
				}
			}
		}
		pause(ctx, 100*time.Millisecond)
	}
	return nil
}

// connections runs a function that uses all hostile peers at once.
func (f *foe) connections(ctx context.Context) error {
	var allow []string
	for _, port := range f.peers {
		allow = append(allow, fmt.Sprint("127.0.0.1:", port))
	}
	if ok, err := f.deploy(ctx, "connects", connectCode, "memory", 96, "timeout", 1, "allow", allow); !ok {
		return err
	}
	args, err := json.Marshal(map[string]any{"peers": f.peers})
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if _, err := f.submit(ctx, "connects", []string{string(args), string(args), string(args)}); err != nil {
			return err
		}
		if _, err := f.send(ctx, "POST", "/v1/sync/functions/connects/rpc/", string(args)); err != nil {
			return err
		}
	}
	return nil
}

// bundles uploads what is no zip, and what is one that lies.
func (f *foe) bundles(ctx context.Context) error {
	all := brokenBundles()
	for ctx.Err() == nil {
		b := all[f.rng.IntN(len(all))]
		r, err := f.send(ctx, "PUT", "/v1/functions/bundle/bundle", b, "Content-Type", "application/zip")
		if err == nil && r.Status == http.StatusOK {
			err = fmt.Errorf("%.100q is deployed", b)
		}
		if err != nil {
			return err
		}
		f.happened("broken bundles")
	}
	return nil
}

func (f *foe) hangUps(ctx context.Context) error {
	if ok, err := f.deploy(ctx, "sleep", process.SleepCode, "memory", 64, "timeout", 30); !ok {
		return err
	}
	body := `{"n":1,"seconds":3}`
	head := fmt.Sprintf("POST /v1/sync/functions/sleep/rpc/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token %s\r\nContent-Length: %d\r\n\r\n", f.client.Token, len(body))
	for ctx.Err() == nil {
		conn, err := f.connect(ctx)
		if err != nil {
			continue
		}
		text := head + body
		_, _ = io.WriteString(conn, text[:f.rng.IntN(len(text)+1)])
		if f.rng.IntN(2) == 0 {
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset
		}
		_ = conn.Close()
		f.happened("callers that hung up")
		pause(ctx, 5*time.Millisecond)
	}
	return nil
}

// forgeries asks for what the tenant does not have: the answer is always a refusal.
func (f *foe) forgeries(ctx context.Context) error {
	wrong := process.NewClient(f.client.Base, "")
	defer wrong.Close()
	for ctx.Err() == nil {
		garbage := make([]byte, 1+f.rng.IntN(200))
		for i := range garbage {
			garbage[i] = "0123456789abcdef-_.%~AZ"[f.rng.IntN(23)]
		}
		text := strings.ReplaceAll(string(garbage), "%", "%25")
		for _, path := range []string{"/v1/executions/" + text, "/v1/executions?cursor=" + text, "/v1/functions/" + text + "-", "/v0/jobs/" + text, "/v1/dlq/" + text, "/v1/tokens/" + text} {
			r, err := f.send(ctx, "GET", path, "")
			if err == nil && r.Status == http.StatusOK {
				err = fmt.Errorf("%s is found: %.200s", path, r.Body)
			}
			if err != nil {
				return err
			}
		}
		wrong.Token = string(garbage)
		if r, err := wrong.Do(ctx, "GET", "/v1/functions/", ""); err == nil && r.Status == http.StatusOK {
			return fmt.Errorf("the token %q is accepted", garbage)
		}
		f.happened("forged requests")
	}
	return nil
}
