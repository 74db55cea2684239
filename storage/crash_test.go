package storage

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// model is the functions that a store should hold, with their versions, by id. It is never changed;
// with and without return changed copies.
type model map[string]modelFunction

type modelFunction struct {
	runtime.Function
	versions map[uint64]runtime.Version
}

func (m model) with(f runtime.Function, v *runtime.Version) model {
	versions := map[uint64]runtime.Version{}
	maps.Copy(versions, m[f.ID].versions)
	if v != nil {
		versions[v.Number] = *v
		if v.Number > runtime.KeptVersions {
			delete(versions, v.Number-runtime.KeptVersions)
		}
	}
	m = maps.Clone(m)
	m[f.ID] = modelFunction{f, versions}
	return m
}

func (m model) without(id string) model {
	m = maps.Clone(m)
	delete(m, id)
	return m
}

func (m model) byName(name string) (modelFunction, bool) {
	for _, f := range m {
		if f.Name == name {
			return f, true
		}
	}
	return modelFunction{}, false
}

const crashTenant runtime.Tenant = "a"

// contents reads everything that a store holds through its methods.
func contents(t testing.TB, s *Store) model {
	t.Helper()
	m := model{}
	all, err := s.ListFunctions(crashTenant, "", 1000)
	must(t, err)
	for _, f := range all {
		numbers, err := s.ListVersions(crashTenant, f.ID)
		must(t, err)
		versions := map[uint64]runtime.Version{}
		for _, n := range numbers {
			versions[n], err = s.GetVersion(crashTenant, f.ID, n)
			must(t, err)
			if b := versions[n].Bundle; !b.IsZero() {
				wantBundle(t, s, crashTenant, b)
			}
		}
		m[f.ID] = modelFunction{f, versions}
	}
	return m
}

func (m model) equal(other model) bool {
	return maps.EqualFunc(m, other, func(a, b modelFunction) bool {
		return a.Function == b.Function && maps.EqualFunc(a.versions, b.versions, sameVersion)
	})
}

func sameVersion(a, b runtime.Version) bool {
	same := bytes.Equal(a.Source, b.Source) && bytes.Equal(a.Context, b.Context)
	a.Source, a.Context, b.Source, b.Context = nil, nil, nil, nil
	return same && cmp.Equal(a, b)
}

// change is a random change and the model after it. The change stores changeNumber of its serial,
// with a key.
type change struct {
	do    func(s *Store) error
	after model
}

func changeWithKey(serial int) runtime.Change {
	c := changeNumber(crashTenant, uint64(serial))
	c.Key = &runtime.IdempotencyKey{Key: fmt.Sprint("key", serial), Hash: [32]byte{byte(serial)}, Now: start}
	return c
}

func randomChange(rng *rand.Rand, m model, serial int) change {
	source := make([]byte, 1+rng.IntN(4<<10))
	for i := range source {
		source[i] = byte(rng.Uint32())
	}
	name, kept := fmt.Sprint("name", rng.IntN(8)), changeWithKey(serial)
	bundle := rng.IntN(12) - 8 // most versions have none
	f, taken := m.byName(name)
	switch {
	case !taken:
		id := fmt.Sprint("id", serial)
		f, v := function(crashTenant, id, name, 1), version(id, 1, "x"+string(source))
		return change{withBundle(bundle, &v, func(s *Store) error { return s.CreateFunction(f, v, kept) }), m.with(f, &v)}
	case rng.IntN(6) == 0:
		return change{func(s *Store) error { return s.DeleteFunction(crashTenant, f.ID, kept) }, m.without(f.ID)}
	}
	if other := fmt.Sprint("name", rng.IntN(8)); rng.IntN(3) == 0 {
		if _, taken := m.byName(other); !taken {
			f.Name = other
		}
	}
	if rng.IntN(4) == 0 {
		return change{func(s *Store) error { return s.UpdateFunction(f.Function, nil, kept) }, m.with(f.Function, nil)}
	}
	f.Version++
	v := version(f.ID, f.Version, "x"+string(source))
	if old := f.versions[f.Version-1].Bundle; rng.IntN(3) == 0 && !old.IsZero() {
		v.Bundle = old // which needs not be stored again
		return change{func(s *Store) error { return s.UpdateFunction(f.Function, &v, kept) }, m.with(f.Function, &v)}
	}
	return change{withBundle(bundle, &v, func(s *Store) error { return s.UpdateFunction(f.Function, &v, kept) }), m.with(f.Function, &v)}
}

// crash is the state of the disk when power was lost, and the models that it may hold: before or
// after the change in progress.
type crash struct {
	fs            *vfs.MemFS
	unsynced      int
	before, after model
	said          int // number of acknowledged changes
}

// Power is lost at random writes of random changes, and right after some of them, with none, some
// or all of the unsynced data on the disk. Every acknowledged change must survive.
func TestLostPower(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex // Pebble also writes in the background
			var crashes []crash
			before, after, said := model{}, model{}, 0
			mem := vfs.NewCrashableMem()
			lose := func() {
				unsynced := []int{0, 10, 50, 100}[rng.IntN(4)]
				clone := crashClone(mem, vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng})
				crashes = append(crashes, crash{clone, unsynced, before, after, said})
			}
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				if len(crashes) < 20 && rng.IntN(8) == 0 {
					lose()
				}
				return nil
			}))
			s := openOn(t, fs, "data/store")
			changes := rand.New(rand.NewPCG(seed, 2))
			for i := range 120 {
				c := randomChange(changes, before, i)
				mu.Lock()
				after = c.after
				mu.Unlock()
				must(t, c.do(s))
				mu.Lock()
				before, said = c.after, said+1
				if changes.IntN(8) == 0 { // right after an acknowledgement
					lose()
				}
				mu.Unlock()
				if changes.IntN(10) == 0 { // so that there are tables, and compactions
					must(t, s.db.Flush())
				}
			}
			if got := contents(t, s); !got.equal(before) {
				t.Fatalf("the store differs from the model: %s", cmp.Diff(before.shape(), got.shape()))
			}
			if len(crashes) < 25 {
				t.Fatalf("only %d crashes: the test does not write enough", len(crashes))
			}
			for i, c := range crashes {
				survived(t, i, c)
			}
		})
	}
}

// survived opens the store that a crash left and compares it with the models.
func survived(t *testing.T, i int, c crash) {
	t.Helper()
	s, err := Open(options(c.fs, "data/store"))
	if err != nil {
		t.Fatalf("crash %d (%d %% of unsynced data kept): %v", i, c.unsynced, err)
	}
	got := contents(t, s)
	made := changesLeft(t, s, c.said+1)
	if slices.Contains(made[:c.said], false) {
		t.Errorf("crash %d: %d changes were acknowledged, the recorded ones are %v", i, c.said, made)
	}
	if last := made[c.said]; !last && !got.equal(c.before) || last && !got.equal(c.after) {
		t.Errorf("crash %d: the change in progress is recorded: %v, which does not match the functions", i, last)
	}
	if !got.equal(c.before) && !got.equal(c.after) {
		t.Errorf("crash %d (%d %% of unsynced data kept) matches neither the acknowledged changes: %s\nnor those and the change in progress: %s",
			i, c.unsynced, cmp.Diff(c.before.shape(), got.shape()), cmp.Diff(c.after.shape(), got.shape()))
	}
	checkInvariants(t, s)
	must(t, s.Close())
}

// A store whose creation is interrupted by lost power is empty: its files must not keep a server
// from starting.
func TestLostPowerDuringCreation(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 3))
	var mu sync.Mutex
	var left []*vfs.MemFS
	mem := vfs.NewCrashableMem()
	s := openOn(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		unsynced := []int{0, 50, 100}
		if op.Kind == errorfs.OpFileSync { // mostly of a folder: each new file in it may exist or not
			unsynced = slices.Repeat([]int{20, 50, 80}, 10)
		}
		for _, unsynced := range unsynced {
			left = append(left, crashClone(mem, vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng}))
		}
		return nil
	})), "data/store")
	must(t, s.Close())
	if len(left) < 100 {
		t.Fatalf("power was lost only %d times: does creating a store write so little?", len(left))
	}
	for i, fs := range left {
		s, err := Open(options(fs, "data/store"))
		if err != nil {
			files, _ := fs.List("data/store")
			t.Errorf("crash %d left %v: %v", i, files, err)
			continue
		}
		survivedEmpty(t, s)
	}
}

func survivedEmpty(t *testing.T, s *Store) {
	t.Helper()
	checkInvariants(t, s)
	if got := contents(t, s); len(got) > 0 {
		t.Errorf("the store has %v", got.shape())
	}
	f, v := function(crashTenant, "id", "name", 1), version("id", 1, "x")
	must(t, s.CreateFunction(f, v, changeNumber(crashTenant, 1)))
	must(t, s.Close())
}

// changesLeft reports which of the first changes left a record. Each must also have stored its key,
// or neither.
func changesLeft(t *testing.T, s *Store, most int) (made []bool) {
	t.Helper()
	for serial := range most {
		c := changeWithKey(serial)
		_, err := s.GetExecution(crashTenant, c.Execution.ID)
		if err != nil {
			wantCode(t, err, runtime.CodeNotFound)
		}
		ids, promised := s.LookupKey(crashTenant, *c.Key)
		must(t, promised)
		if (err == nil) != slices.Equal(ids, []string{c.Execution.ID}) {
			t.Errorf("change %d is recorded: %v; the ids of its key are %v", serial, err == nil, ids)
		}
		made = append(made, err == nil)
	}
	return made
}

// shape returns a model without its bytes, for messages.
func (m model) shape() map[string]string {
	shapes := map[string]string{}
	for id, f := range m {
		shapes[id] = fmt.Sprint(f.Name, " ", f.Version, " ", slices.Sorted(maps.Keys(f.versions)))
	}
	return shapes
}

// A source that is a view into a request may be changed after the call.
func TestWrittenDataIsCopied(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	v := version("id1", 1, "source")
	must(t, s.CreateFunction(function("a", "id1", "one", 1), v, by("a")))
	copy(v.Source, "??????")
	got, err := s.GetVersion("a", "id1", 1)
	must(t, err)
	if !bytes.Equal(got.Source, []byte("source")) {
		t.Fatalf("the source became %q", got.Source)
	}
}
