package engine_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// zipOf returns a bundle with a main file and a module.
func zipOf(t testing.TB, main, module string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range map[string]string{runtime.BundleMain: main, "pkg/module.py": module} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func upload(zip []byte) *runtime.BundleUpload {
	return &runtime.BundleUpload{Bundle: runtime.Bundle{ID: sha256.Sum256(zip), Bytes: int64(len(zip))}, Content: bytes.NewReader(zip)}
}

func putBundle(e *engine.Engine, name string, zip []byte, key string) (runtime.Deployment, error) {
	return e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: name, Bundle: upload(zip), Create: true, IdempotencyKey: key})
}

func bundleOf(t testing.TB, e *engine.Engine, name string) []byte {
	t.Helper()
	b, err := e.GetBundle(context.Background(), tenant, name)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := e.ReadBundle(context.Background(), tenant, b.ID, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// wantStored expects that the tenant has a bundle, or that it has not.
func wantStored(t testing.TB, e *engine.Engine, zip []byte, stored bool) {
	t.Helper()
	err := e.ReadBundle(context.Background(), tenant, sha256.Sum256(zip), &bytes.Buffer{})
	if stored && err != nil || !stored && runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("a bundle is to be stored: %v; reading it: %v", stored, err)
	}
}

func TestBundlesAreDeployed(t *testing.T) {
	var deployed []runtime.Program
	box := &fakeSandbox{deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
		deployed = append(deployed, p)
		return runtime.Outcome{}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box})
	first, second := zipOf(t, `"one"`, "1"), zipOf(t, `"two"`, "2")
	want := func(source string, zip []byte, timeout time.Duration) {
		t.Helper()
		p := deployed[len(deployed)-1]
		if string(p.Source) != source || zip != nil && p.Bundle != upload(zip).Bundle || zip == nil && !p.Bundle.IsZero() || p.Limits.Timeout != timeout {
			t.Errorf("deployed %q with the bundle %v, in %v", p.Source, p.Bundle, p.Limits.Timeout)
		}
		if zip != nil && !bytes.Equal(bundleOf(t, e, "f"), zip) {
			t.Error("the bundle came back different")
		}
		if x, err := run(e, "f", "{}"); err != nil || string(x.Result) != source {
			t.Errorf("a run returned %+v, %v", x, err)
		}
	}
	put := func(zip []byte) {
		t.Helper()
		if _, err := putBundle(e, "f", zip, ""); err != nil {
			t.Fatal(err)
		}
	}
	change := func(u runtime.FunctionUpdate) {
		t.Helper()
		u.Tenant, u.Name = tenant, "f"
		if _, err := e.UpdateFunction(context.Background(), u); err != nil {
			t.Fatal(err)
		}
	}
	put(first)
	want(`"one"`, first, runtime.MaxBundleDeploy)
	change(runtime.FunctionUpdate{Context: []byte(`{"k":"v"}`), Timeout: ptr(time.Second), Retries: ptr(3)})
	want(`"one"`, first, runtime.MaxBundleDeploy)
	put(second)
	want(`"two"`, second, runtime.MaxBundleDeploy)
	d, err := e.GetFunction(context.Background(), tenant, "f")
	if err != nil || string(d.Version.Context) != `{"k":"v"}` || d.Version.Limits.Timeout != time.Second || d.Version.Retries != 3 || d.Version.Number != 3 {
		t.Errorf("a new bundle has changed settings: %+v, %v", d, err)
	}
	change(runtime.FunctionUpdate{Timeout: ptr(2 * runtime.MaxBundleDeploy)})
	want(`"two"`, second, 2*runtime.MaxBundleDeploy)
	change(runtime.FunctionUpdate{NewName: ptr("f")}) // no new version
	change(runtime.FunctionUpdate{Source: []byte(`"three"`), Timeout: ptr(time.Second)})
	want(`"three"`, nil, time.Second)
	_, err = e.GetBundle(context.Background(), tenant, "f")
	if e := wantCode(t, err, runtime.CodeNotFound); e.Hint == "" {
		t.Error("no hint")
	}
	put(first)
	want(`"one"`, first, runtime.MaxBundleDeploy)
	wantStored(t, e, second, true) // of a version that is kept
	if _, err := remove(e, "f"); err != nil {
		t.Fatal(err)
	}
	wantStored(t, e, first, false)
	wantStored(t, e, second, false)

	// Settings come with the bundle, of a new function too, and are checked before anything is stored.
	settings := runtime.FunctionUpdate{Bundle: upload(first), Timeout: ptr(2 * time.Second), Memory: ptr(int64(256 * runtime.MiB)), Retries: ptr(2), Create: true}
	change(settings)
	d, err = e.GetFunction(context.Background(), tenant, "f")
	if l := d.Version.Limits; err != nil || l.Timeout != 2*time.Second || l.Memory != 256*runtime.MiB || d.Version.Retries != 2 || d.Version.Number != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if !slices.Equal(d.RunImports, []string{"lazy"}) {
		t.Errorf("runs import %v", d.RunImports)
	}
	settings.Tenant, settings.Name, settings.Bundle, settings.Memory = tenant, "new", upload(second), ptr(int64(1))
	_, err = e.UpdateFunction(context.Background(), settings)
	wantCode(t, err, runtime.CodeInvalidArgument)
	wantStored(t, e, second, false)
}

// A bundle that does not deploy, or is none, leaves nothing, whether its function exists or not.
func TestBundlesThatDoNotDeploy(t *testing.T) {
	box := &fakeSandbox{deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
		if strings.Contains(string(p.Source), "slow") {
			return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassTimeout}}, nil
		}
		if strings.Contains(string(p.Source), "bad") {
			return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "ImportError", Message: "no"}}, nil
		}
		return runtime.Outcome{}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box})
	good := zipOf(t, "good", "")
	if _, err := putBundle(e, "old", good, ""); err != nil {
		t.Fatal(err)
	}
	other := zipOf(t, "", "")
	for what, c := range map[string]struct {
		zip  []byte
		code runtime.Code
		text string
	}{
		"fails":   {zipOf(t, "bad", ""), runtime.CodeDeployFailed, "ImportError"},
		"slow":    {zipOf(t, "slow", ""), runtime.CodeDeployFailed, "60 seconds"},
		"no zip":  {[]byte("PK"), runtime.CodeInvalidArgument, "zip"},
		"nothing": {nil, runtime.CodeInvalidArgument, "zip"},
		"no main": {bytes.ReplaceAll(other, []byte(runtime.BundleMain), []byte("other.x")), runtime.CodeInvalidArgument, runtime.BundleMain},
		"no text": {zipOf(t, "\xff", ""), runtime.CodeInvalidArgument, "UTF-8"},
		"empty":   {other, runtime.CodeInvalidArgument, "the code is empty"},
	} {
		for _, name := range []string{"old", "new"} {
			_, err := putBundle(e, name, c.zip, "key "+what+name)
			if e := wantCode(t, err, c.code); !strings.Contains(e.Message, c.text) {
				t.Errorf("%s: %v", what, err)
			}
			wantStored(t, e, c.zip, false)
		}
	}
	large := upload(good)
	large.Bytes = runtime.MaxBundle + 1
	_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "old", Bundle: large, Create: true})
	wantCode(t, err, runtime.CodeTooLarge)
	if !bytes.Equal(bundleOf(t, e, "old"), good) {
		t.Error("the bundle before was changed")
	}
	if _, err := e.GetFunction(context.Background(), tenant, "new"); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("a function that does not deploy: %v", err)
	}
	d, err := e.GetFunction(context.Background(), tenant, "old")
	if err != nil || d.Version.Number != 1 {
		t.Errorf("the function is at version %d, %v", d.Version.Number, err)
	}
}

// A repeated request with its key is carried out once; another bundle with the key is a conflict.
func TestIdempotencyOfBundles(t *testing.T) {
	e := newEngine(t, engine.Options{})
	first, second := zipOf(t, "1", "one"), zipOf(t, "1", "two") // with the same main file
	d, err := putBundle(e, "f", first, "key")
	if err != nil {
		t.Fatal(err)
	}
	again, err := putBundle(e, "f", first, "key")
	if err != nil || !again.Replayed || again.ExecutionID != d.ExecutionID {
		t.Errorf("the repetition got %+v, %v", again, err)
	}
	_, err = putBundle(e, "f", second, "key")
	wantCode(t, err, runtime.CodeConflict)
	wantStored(t, e, second, false)
	if _, err := putBundle(e, "f", second, "other"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bundleOf(t, e, "f"), second) {
		t.Error("the bundle is not the second one")
	}
}

// The bundle of a run that has begun stays until the run has ended, although its version, and then its
// function, is not stored any more.
func TestBundlesOfRunsStay(t *testing.T) {
	// The first version is still stored when the function is deleted, or it is not.
	for _, updates := range []int{1, runtime.KeptVersions} {
		g := newGated()
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}})
		first := zipOf(t, "1", "one")
		if _, err := putBundle(e, "f", first, ""); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 2)
		start := func() {
			go func() { _, err := run(e, "f", "{}"); ended <- err }()
			<-g.began
		}
		start()
		var last []byte
		for n := range updates {
			last = zipOf(t, "1", fmt.Sprint("module ", n))
			if _, err := putBundle(e, "f", last, ""); err != nil {
				t.Fatal(err)
			}
		}
		start()
		if _, err := remove(e, "f"); err != nil {
			t.Fatal(err)
		}
		wantStored(t, e, first, true)
		wantStored(t, e, last, true)
		close(g.end)
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		wantStored(t, e, first, false)
		wantStored(t, e, last, false)
	}
}

// So does the bundle of a run of an earlier version that is not stored any more.
func TestBundlesOfPinnedRunsStay(t *testing.T) {
	g := newGated()
	var gate atomic.Bool
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		if gate.Load() {
			return g.run(ctx, p, args, c)
		}
		return echo(ctx, p, args, c)
	}}})
	first := zipOf(t, "1", "one")
	put := func(zip []byte) {
		t.Helper()
		if _, err := putBundle(e, "f", zip, ""); err != nil {
			t.Fatal(err)
		}
	}
	put(first)
	x, err := run(e, "f", "{}")
	if err != nil {
		t.Fatal(err)
	}
	put(zipOf(t, "1", "two"))
	gate.Store(true)
	a, err := e.Rerun(ctx, runtime.RerunRequest{Tenant: tenant, ID: x.ID, Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	<-g.began
	for n := range runtime.KeptVersions {
		put(zipOf(t, "1", fmt.Sprint("module ", n)))
	}
	wantStored(t, e, first, true)
	close(g.end)
	await(t, e, a.IDs[0])
	for e.ReadBundle(ctx, tenant, sha256.Sum256(first), &bytes.Buffer{}) == nil { // it is dropped soon after the end
		time.Sleep(time.Millisecond)
	}
}
