package storage

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// died is the value that a test's Fatal panics with.
type died string

// smallBallast is the size of ballasts on disks of the machine: two writes, of which each costs time.
const smallBallast = 2 << 20

func options(fs vfs.FS, dir string) Options {
	o := Options{Dir: dir, FS: fs, Log: quiet, Fatal: func(message string) { panic(died(message)) }, Replication: replication(fs, dir)}
	if fs == vfs.Default {
		o.Ballast = smallBallast
	}
	return o
}

func openOn(t testing.TB, fs vfs.FS, dir string) *Store {
	t.Helper()
	s, err := Open(options(fs, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start is the creation time of all functions in tests.
var start = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func function(tenant runtime.Tenant, id, name string, version uint64) runtime.Function {
	return runtime.Function{ID: id, Tenant: tenant, Name: name, Version: version, Created: start, Updated: start.Add(time.Duration(version))}
}

func version(id string, number uint64, source string) runtime.Version {
	return runtime.Version{
		FunctionID: id,
		Number:     number,
		Name:       "file",
		Source:     []byte(source),
		Context:    []byte(`{"key":"` + source[:1] + `"}`),
		Limits:     runtime.Limits{Timeout: time.Second, Memory: runtime.MinMemory},
		Created:    start,
	}
}

var changes atomic.Uint64

// by returns the execution of a change of a function.
func by(tenant runtime.Tenant) runtime.Change { return changeNumber(tenant, changes.Add(1)) }

func changeNumber(tenant runtime.Tenant, n uint64) runtime.Change {
	at := start.Add(time.Duration(n) * time.Millisecond)
	return runtime.Change{Execution: runtime.Execution{
		ID: storetest.ID(rand.New(rand.NewPCG(n, 5)), at), Tenant: tenant, Kind: runtime.KindUpdate, FunctionID: "id", Function: "f", Version: 1,
		State: runtime.StateSucceeded, Created: at, Started: at, Finished: at, Attempt: 1,
	}}
}

func with(c runtime.Change, change func(*runtime.Change)) runtime.Change {
	change(&c)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code runtime.Code) {
	t.Helper()
	if runtime.CodeOf(err) != code {
		t.Fatalf("got %v, want the code %q", err, code)
	}
}

func TestFunctionsSurviveARestart(t *testing.T) {
	dir := t.TempDir() + "/data/store"
	s := openOn(t, vfs.Default, dir)
	f, v1 := function("a", "id1", "hello", 1), version("id1", 1, "source")
	must(t, s.CreateFunction(f, v1, by(f.Tenant)))
	f.Version, f.Name = 2, "bye"
	v2 := version("id1", 2, "other")
	v2.Context, v2.By = nil, "ada"
	must(t, s.UpdateFunction(f, &v2, by(f.Tenant)))
	must(t, s.PutSetting("token", []byte{1, 0, 2}))
	must(t, s.Close())

	s = openOn(t, vfs.Default, dir)
	got, err := s.GetFunctionByName("a", "bye")
	must(t, err)
	if diff := cmp.Diff(f, got); diff != "" {
		t.Error(diff)
	}
	for _, want := range []runtime.Version{v1, v2} {
		got, err := s.GetVersion("a", "id1", want.Number)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	numbers, err := s.ListVersions("a", "id1")
	must(t, err)
	if diff := cmp.Diff([]uint64{2, 1}, numbers); diff != "" {
		t.Error(diff)
	}
	described, err := s.DescribeVersions("a", "id1")
	must(t, err)
	var want []runtime.VersionSummary
	for _, v := range []runtime.Version{v2, v1} {
		summary := runtime.VersionSummary{Version: v, SourceBytes: len(v.Source), ContextBytes: len(v.Context)}
		summary.Source, summary.Context = nil, nil
		want = append(want, summary)
	}
	if diff := cmp.Diff(want, described); diff != "" {
		t.Error(diff)
	}
	setting, err := s.Setting("token")
	must(t, err)
	if !bytes.Equal(setting, []byte{1, 0, 2}) {
		t.Errorf("the setting came back as %v", setting)
	}
	checkInvariants(t, s)
}

func TestMissingRecords(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	must(t, s.CreateFunction(function("a", "id1", "hello", 1), version("id1", 1, "source"), by("a")))
	for what, call := range map[string]func() error{
		"name":             func() error { _, err := s.GetFunctionByName("a", "other"); return err },
		"tenant":           func() error { _, err := s.GetFunctionByName("b", "hello"); return err },
		"version":          func() error { _, err := s.GetVersion("a", "id1", 2); return err },
		"version's id":     func() error { _, err := s.GetVersion("a", "id2", 1); return err },
		"version's tenant": func() error { _, err := s.GetVersion("b", "id1", 1); return err },
		"versions":         func() error { _, err := s.ListVersions("a", "id2"); return err },
		"versions' tenant": func() error { _, err := s.ListVersions("b", "id1"); return err },
		"update":           func() error { return s.UpdateFunction(function("b", "id1", "hello", 1), nil, by("b")) },
		"delete":           func() error { return s.DeleteFunction("a", "id2", by("a")) },
		"delete's tenant":  func() error { return s.DeleteFunction("b", "id1", by("b")) },
		"descriptions":     func() error { _, err := s.DescribeVersions("b", "id1"); return err },
		"setting":          func() error { _, err := s.Setting("token"); return err },
	} {
		if err := call(); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("%s: %v, want not_found", what, err)
		}
	}
}

func TestDuplicateNamesAreRefused(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	must(t, s.CreateFunction(function("a", "id1", "one", 1), version("id1", 1, "source"), by("a")))
	must(t, s.CreateFunction(function("a", "id2", "two", 1), version("id2", 1, "source"), by("a")))
	must(t, s.CreateFunction(function("b", "id1", "one", 1), version("id1", 1, "source"), by("b"))) // tenants share nothing

	wantCode(t, s.CreateFunction(function("a", "id3", "one", 1), version("id3", 1, "source"), by("a")), runtime.CodeAlreadyExists)
	wantCode(t, s.UpdateFunction(function("a", "id2", "one", 1), nil, by("a")), runtime.CodeAlreadyExists)
	wantCode(t, s.CreateFunction(function("a", "id1", "three", 1), version("id1", 1, "source"), by("a")), runtime.CodeInternal)
	checkInvariants(t, s)

	must(t, s.UpdateFunction(function("a", "id1", "uno", 1), nil, by("a")))
	must(t, s.UpdateFunction(function("a", "id2", "one", 1), nil, by("a"))) // the name is free again
	must(t, s.DeleteFunction("a", "id1", by("a")))
	must(t, s.CreateFunction(function("a", "id3", "uno", 1), version("id3", 1, "source"), by("a")))
	checkInvariants(t, s)
}

func TestOldVersionsAreDropped(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	must(t, s.CreateFunction(function("a", "id1", "one", 1), version("id1", 1, "source"), by("a")))
	const last = runtime.KeptVersions + 5
	for n := uint64(2); n <= last; n++ {
		v := version("id1", n, fmt.Sprint("source ", n))
		must(t, s.UpdateFunction(function("a", "id1", "one", n), &v, by("a")))
	}
	numbers, err := s.ListVersions("a", "id1")
	must(t, err)
	if len(numbers) != runtime.KeptVersions || numbers[0] != last || numbers[len(numbers)-1] != last-runtime.KeptVersions+1 {
		t.Fatalf("stored versions are %v", numbers)
	}
	_, err = s.GetVersion("a", "id1", last-runtime.KeptVersions)
	wantCode(t, err, runtime.CodeNotFound)
	checkInvariants(t, s)
	must(t, s.DeleteFunction("a", "id1", by("a")))
	checkInvariants(t, s)
	dropAll(t, s, start)
	if n := countKeys(t, s); n != 1 { // the format record
		t.Fatalf("%d records are left", n)
	}
}

func TestContractViolations(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	must(t, s.CreateFunction(function("a", "id1", "one", 1), version("id1", 1, "source"), by("a")))
	skip := version("id1", 3, "source")
	same := version("id1", 1, "source")
	none := version("id1", 2, "source")
	none.Source = nil
	for what, err := range map[string]error{
		"no tenant":         s.CreateFunction(function("", "id2", "two", 1), version("id2", 1, "source"), by("")),
		"no id":             s.CreateFunction(function("a", "", "two", 1), version("", 1, "source"), by("a")),
		"no name":           s.CreateFunction(function("a", "id2", "", 1), version("id2", 1, "source"), by("a")),
		"not UTF-8":         s.CreateFunction(function("a", "id2", "\xff", 1), version("id2", 1, "source"), by("a")),
		"other's version":   s.CreateFunction(function("a", "id2", "two", 1), version("id3", 1, "source"), by("a")),
		"gap":               s.UpdateFunction(function("a", "id1", "one", 3), &skip, by("a")),
		"same number":       s.UpdateFunction(function("a", "id1", "one", 1), &same, by("a")),
		"number of no one":  s.UpdateFunction(function("a", "id1", "one", 2), nil, by("a")),
		"without a source":  s.UpdateFunction(function("a", "id1", "one", 2), &none, by("a")),
		"no execution":      s.CreateFunction(function("a", "id2", "two", 1), version("id2", 1, "source"), runtime.Change{}),
		"other's execution": s.CreateFunction(function("a", "id2", "two", 1), version("id2", 1, "source"), by("b")),
		"not done":          s.DeleteFunction("a", "id1", with(by("a"), func(c *runtime.Change) { c.Execution.State = runtime.StateRunning })),
		"a run":             s.DeleteFunction("a", "id1", with(by("a"), func(c *runtime.Change) { c.Execution.Kind = runtime.KindRun })),
		"an empty key":      s.DeleteFunction("a", "id1", with(by("a"), func(c *runtime.Change) { c.Key = &runtime.IdempotencyKey{} })),
		"different numbers": s.UpdateFunction(function("a", "id1", "one", 2), &skip, by("a")),
	} {
		if runtime.CodeOf(err) != runtime.CodeInternal {
			t.Errorf("%s: %v, want internal", what, err)
		}
	}
	checkInvariants(t, s)
}

func TestHostileNames(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	type owner struct {
		tenant runtime.Tenant
		name   string
	}
	made := map[owner]runtime.Function{}
	for _, tenant := range storetest.HostileTexts {
		for _, name := range storetest.HostileTexts {
			if tenant == "" || !utf8.ValidString(name) || name == "" {
				continue
			}
			id := "id of " + name
			f := function(runtime.Tenant(tenant), id, name, 1)
			must(t, s.CreateFunction(f, version(id, 1, "source"), by(f.Tenant)))
			made[owner{f.Tenant, name}] = f
		}
	}
	for who, want := range made {
		got, err := s.GetFunctionByName(who.tenant, who.name)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
	names := len(made) / (len(storetest.HostileTexts) - 1)
	for _, tenant := range storetest.HostileTexts {
		all, err := s.ListFunctions(runtime.Tenant(tenant), "", 100)
		must(t, err)
		if tenant != "" && len(all) != names {
			t.Fatalf("tenant %q has %d functions, want %d", tenant, len(all), names)
		}
	}
	checkInvariants(t, s)
}

func TestConcurrentCreatesOfOneName(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	for round := range 20 {
		name := fmt.Sprint("name", round)
		var made, taken atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				id := fmt.Sprint("id", round, "-", i)
				switch err := s.CreateFunction(function("a", id, name, 1), version(id, 1, "source"), by("a")); runtime.CodeOf(err) {
				case "":
					made.Add(1)
				case runtime.CodeAlreadyExists:
					taken.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 || taken.Load() != 7 {
			t.Fatalf("%d creations of one name succeeded, %d found the name taken", made.Load(), taken.Load())
		}
	}
	checkInvariants(t, s)
}

// Many goroutines rename, update, delete and create a few functions at once.
func TestConcurrentFunctionChanges(t *testing.T) {
	t.Parallel()
	s := openOn(t, vfs.NewMem(), "store")
	expected := map[runtime.Code]bool{"": true, runtime.CodeNotFound: true, runtime.CodeAlreadyExists: true}
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for i := range 300 {
				name := fmt.Sprint("name", rng.IntN(4))
				f, err := s.GetFunctionByName("a", name)
				switch {
				case err != nil:
					id := fmt.Sprint("id", worker, "-", i)
					err = s.CreateFunction(function("a", id, name, 1), version(id, 1, "source"), by("a"))
				case rng.IntN(3) == 0:
					f.Name = fmt.Sprint("name", rng.IntN(4))
					err = s.UpdateFunction(f, nil, by(f.Tenant))
				case rng.IntN(2) == 0:
					f.Version++
					v := version(f.ID, f.Version, "source")
					err = s.UpdateFunction(f, &v, by(f.Tenant))
				default:
					err = s.DeleteFunction("a", f.ID, by("a"))
				}
				// Another goroutine may have updated the function: the engine serialises the
				// changes of a function, this test does not.
				if code := runtime.CodeOf(err); !expected[code] && code != runtime.CodeInternal {
					t.Error(err)
				}
				if all, err := s.ListFunctions("a", "", 10); err != nil || len(all) > 4 {
					t.Errorf("the list has %d functions, %v", len(all), err)
				}
			}
		})
	}
	wg.Wait()
	checkInvariants(t, s)
}

func TestClose(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	must(t, s.Close())
	must(t, s.Close())
	f, v := function("a", "id1", "one", 1), version("id1", 1, "source")
	for what, call := range map[string]func() error{
		"create":      func() error { return s.CreateFunction(f, v, by(f.Tenant)) },
		"update":      func() error { return s.UpdateFunction(f, &v, by(f.Tenant)) },
		"delete":      func() error { return s.DeleteFunction("a", "id1", by("a")) },
		"function":    func() error { _, err := s.GetFunctionByName("a", "one"); return err },
		"functions":   func() error { _, err := s.ListFunctions("a", "", 1); return err },
		"version":     func() error { _, err := s.GetVersion("a", "id1", 1); return err },
		"versions":    func() error { _, err := s.ListVersions("a", "id1"); return err },
		"setting":     func() error { _, err := s.Setting("token"); return err },
		"put setting": func() error { return s.PutSetting("token", nil) },
		"promised":    func() error { _, err := s.LookupKey("a", runtime.IdempotencyKey{Key: "k"}); return err },
		"accept":      func() error { return second(s.Accept(newClerk().batch(1), nil)) },
		"start":       func() error { _, err := s.Start(nil); return err },
		"finish":      func() error { _, err := s.Finish(nil, start); return err },
		"record":      func() error { return s.Record([]runtime.Execution{newClerk().done()}) },
		"cancel":      func() error { _, _, err := s.Cancel("a", newClerk().done().ID, start); return err },
		"execution":   func() error { _, err := s.GetExecution("a", ""); return err },
		"executions":  func() error { _, err := s.GetExecutions("a", nil); return err },
		"args":        func() error { _, err := s.GetArgs("a", ""); return err },
		"logs":        func() error { _, _, err := s.GetLogs("a", "", runtime.LogPosition{}); return err },
		"list":        func() error { _, err := s.ListExecutions("a", runtime.ExecutionFilter{}, "", 1); return err },
		"pending":     func() error { return s.EachUnfinished(nil) },
		"expire":      func() error { return s.Expire(start, runtime.Retention{}) },
		"health":      s.Health,
		"stage":       func() error { _, err := s.StageBundle(t.Context(), "a", runtime.Bundle{Bytes: 1}, nil); return err },
		"find bytecode": func() error {
			_, err := s.FindBytecode("a", runtime.BundleID{}, runtime.GuestBuild{})
			return err
		},
		"read bytecode": func() error { return s.ReadBytecode(t.Context(), "a", runtime.BundleID{}, runtime.GuestBuild{}, nil) },
		"store bytecode": func() error {
			return s.StoreBytecode(t.Context(), "a", runtime.BundleID{}, runtime.GuestBuild{}, 1, nil)
		},
		"bundle": func() error { return s.ReadBundle(t.Context(), "a", runtime.BundleID{}, nil) },
	} {
		if err := call(); runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
}

func TestCloseUnderUse(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprint(worker, "-", i)
				err := s.CreateFunction(function("a", id, id, 1), version(id, 1, "source"), by("a"))
				if runtime.CodeOf(err) == runtime.CodeUnavailable {
					return
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for {
		if all, err := s.ListFunctions("a", "", 20); err != nil || len(all) == 20 {
			break
		}
	}
	must(t, s.Close())
	wg.Wait()
}
