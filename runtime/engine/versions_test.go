package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func update(t testing.TB, e *engine.Engine, u runtime.FunctionUpdate) runtime.Deployment {
	t.Helper()
	u.Tenant = tenant
	d, err := e.UpdateFunction(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func versionsOf(t testing.TB, e *engine.Engine, name string) []runtime.VersionSummary {
	t.Helper()
	all, err := e.ListVersions(context.Background(), tenant, name)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRollback restores versions of single files and bundles, and checks that each part of the new version
// is that of the old one, but for its number, its time and who restored it.
func TestRollback(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, engine.Options{})
	first := spec("f", `"one"`)
	first.Context, first.Limits.Timeout, first.Retries, first.Allow, first.UserID = []byte(`{"k":1}`), 5*time.Second, 2, []string{"a.test:1"}, "ada"
	create(t, e, first)
	zip := zipOf(t, `"two"`, "x")
	update(t, e, runtime.FunctionUpdate{Name: "f", Bundle: upload(zip), Context: []byte(`{"k":2}`), UserID: "bob"})
	update(t, e, runtime.FunctionUpdate{Name: "f", Source: []byte(`"three"`), Memory: ptr(int64(256 * runtime.MiB)), Context: []byte(`{"k":3}`), UserID: "cy"})

	for i, want := range []string{`"one"`, `"two"`} { // by version
		restored := uint64(i + 1)
		old, err := e.GetVersion(ctx, tenant, "f", restored)
		if err != nil {
			t.Fatal(err)
		}
		d := update(t, e, runtime.FunctionUpdate{Name: "f", Restore: restored, UserID: "dan"})
		now, err := e.GetVersion(ctx, tenant, "f", 0)
		if err != nil || now.Number != d.Function.Version || now.By != "dan" {
			t.Fatalf("restored version %d as %d by %q: %v", restored, now.Number, now.By, err)
		}
		x, err := run(e, "f", "{}")
		if err != nil || string(x.Result) != want {
			t.Errorf("version %d runs as %s, %v", restored, x.Result, err)
		}
		old.Number, old.Created, old.By = now.Number, now.Created, now.By
		if diff := cmp.Diff(old.Version, now.Version); diff != "" || old.Current || !now.Current {
			t.Errorf("version %d: %s", restored, diff)
		}
	}
	if !bytes.Equal(bundleOf(t, e, "f"), zip) {
		t.Error("the bundle of the restored version is another one")
	}

	update(t, e, runtime.FunctionUpdate{Name: "f", Context: []byte(`{"k":"new"}`)})
	update(t, e, runtime.FunctionUpdate{Name: "f", Restore: 1, KeepContext: true})
	if now, err := e.GetVersion(ctx, tenant, "f", 0); err != nil || string(now.Context) != `{"k":"new"}` || string(now.Source) != `"one"` {
		t.Errorf("the context is %s of %s, %v", now.Context, now.Source, err)
	}

	for what, c := range map[string]struct {
		u    runtime.FunctionUpdate
		code runtime.Code
	}{
		"the current version":     {runtime.FunctionUpdate{Name: "f", Restore: versionsOf(t, e, "f")[0].Number}, runtime.CodeInvalidArgument},
		"a version of the future": {runtime.FunctionUpdate{Name: "f", Restore: 99}, runtime.CodeNotFound},
		"no function":             {runtime.FunctionUpdate{Name: "none", Restore: 1}, runtime.CodeNotFound},
		"with other changes":      {runtime.FunctionUpdate{Name: "f", Restore: 1, Retries: ptr(1)}, runtime.CodeInvalidArgument},
		"with a name":             {runtime.FunctionUpdate{Name: "f", Restore: 1, NewName: ptr("g")}, runtime.CodeInvalidArgument},
	} {
		c.u.Tenant = tenant
		if _, err := e.UpdateFunction(ctx, c.u); runtime.CodeOf(err) != c.code {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := runtime.FunctionUpdate{Tenant: "other", Name: "f", Restore: 1}
	if _, err := e.UpdateFunction(ctx, other); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("another tenant: %v", err)
	}
}

// TestOldestVersionIsRestored restores the version that the restored one displaces, which alone has its bundle.
func TestOldestVersionIsRestored(t *testing.T) {
	e := newEngine(t, engine.Options{})
	zip := zipOf(t, `"bundle"`, "x")
	if _, err := putBundle(e, "f", zip, ""); err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= runtime.KeptVersions; n++ {
		update(t, e, runtime.FunctionUpdate{Name: "f", Source: fmt.Append(nil, n)})
	}
	update(t, e, runtime.FunctionUpdate{Name: "f", Restore: 1})
	if !bytes.Equal(bundleOf(t, e, "f"), zip) {
		t.Error("the bundle is gone")
	}
	all := versionsOf(t, e, "f")
	if len(all) != runtime.KeptVersions || all[0].Number != runtime.KeptVersions+1 || all[len(all)-1].Number != 2 {
		t.Errorf("%d versions from %d to %d", len(all), all[0].Number, all[len(all)-1].Number)
	}
	for i := range all {
		if all[i].Source != nil || all[i].Context != nil || all[i].SourceBytes == 0 {
			t.Errorf("version %d: %+v", all[i].Number, all[i])
		}
	}
	wantCode(t, errOf(e.GetVersion(context.Background(), tenant, "f", 1)), runtime.CodeNotFound)
}

func errOf[T any](_ T, err error) error { return err }

// TestRollbackThatDoesNotDeploy checks that nothing changes if a version cannot be deployed any more.
func TestRollbackThatDoesNotDeploy(t *testing.T) {
	box := &fakeSandbox{}
	e := newEngine(t, engine.Options{Sandbox: box})
	create(t, e, spec("f", "1"))
	update(t, e, runtime.FunctionUpdate{Name: "f", Source: []byte("2")})
	box.deploy = func(context.Context, runtime.Program) (runtime.Outcome, error) {
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Message: "no", Line: 7}}, nil
	}
	_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "f", Restore: 1})
	if failed := wantCode(t, err, runtime.CodeDeployFailed); failed.Line != 7 {
		t.Errorf("the line is %d", failed.Line)
	}
	if all := versionsOf(t, e, "f"); len(all) != 2 {
		t.Errorf("%d versions", len(all))
	}
	if x, err := run(e, "f", "{}"); err != nil || string(x.Result) != "2" {
		t.Errorf("%s, %v", x.Result, err)
	}
}

// TestPreconditions checks changes that are made only if the function is what the caller says.
func TestPreconditions(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, engine.Options{})
	put := func(name string, p runtime.Precondition) (runtime.Deployment, error) {
		return e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: name, Source: []byte("1"), Create: true, If: p})
	}
	wantCode(t, errOf(put("f", runtime.Precondition{Exists: true})), runtime.CodePrecondition)
	d, err := put("f", runtime.Precondition{Absent: true})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, errOf(put("f", runtime.Precondition{Absent: true})), runtime.CodePrecondition)
	tag := d.Function.Tag()
	if d, err = put("f", runtime.Precondition{Exists: true, Tags: []string{"other", tag}}); err != nil || d.Function.Tag() == tag {
		t.Fatal(err, tag)
	}
	wantCode(t, errOf(put("f", runtime.Precondition{Exists: true, Tags: []string{tag}})), runtime.CodePrecondition)
	if _, err := put("f", runtime.Precondition{Exists: true}); err != nil {
		t.Error(err)
	}
	// A function of the same name is another one, also at the same version.
	if _, err := remove(e, "f"); err != nil {
		t.Fatal(err)
	}
	if _, err := put("f", runtime.Precondition{}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, errOf(put("f", runtime.Precondition{Exists: true, Tags: []string{tag}})), runtime.CodePrecondition)
}

// TestOneOfConcurrentCreationsSucceeds lets many clients create a function only if it does not exist.
func TestOneOfConcurrentCreationsSucceeds(t *testing.T) {
	e := newEngine(t, engine.Options{})
	var created atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{
				Tenant: tenant, Name: "f", Source: []byte("1"), Create: true, If: runtime.Precondition{Absent: true},
			})
			switch runtime.CodeOf(err) {
			case "":
				created.Add(1)
			case runtime.CodePrecondition:
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := created.Load(); n != 1 {
		t.Errorf("%d requests have created the function", n)
	}
}
