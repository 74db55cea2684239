package storage

import (
	"fmt"
	"io"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// many creates functions in few batches, without their versions.
func many(t testing.TB, s *Store, n int) {
	t.Helper()
	b := s.db.NewBatch()
	for i := range n {
		f := function("a", fmt.Sprintf("id%06d", i), fmt.Sprintf("name%06d", i), 1)
		must(t, b.Set(keys.FunctionName(f.Tenant, f.Name), record.EncodeRaw(f.ID), nil))
		must(t, putFunction(b, f))
		if b.Len() > 1<<20 || i == n-1 {
			must(t, b.Commit(pebble.NoSync))
			must(t, b.Close())
			b = s.db.NewBatch()
		}
	}
	must(t, b.Close())
	must(t, s.db.Flush())
}

func TestListInPages(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	for _, name := range []string{"b", "a", "a.py", "a-b", "B", "a0"} {
		must(t, s.CreateFunction(function("a", "id "+name, name, 1), version("id "+name, 1, "source"), by("a")))
		must(t, s.CreateFunction(function("a\x00", "id "+name, name+"2", 1), version("id "+name, 1, "source"), by("a\x00")))
	}
	for _, size := range []int{1, 2, 5, 6, 7, 100} {
		var names []string
		for after := ""; ; {
			page, err := s.ListFunctions("a", after, size)
			must(t, err)
			if len(page) == 0 {
				break
			}
			if len(page) > size {
				t.Fatalf("a page of %d has %d functions", size, len(page))
			}
			for _, f := range page {
				names = append(names, f.Name)
			}
			after = names[len(names)-1]
		}
		if want := []string{"B", "a", "a-b", "a.py", "a0", "b"}; !slices.Equal(names, want) {
			t.Fatalf("in pages of %d: %q, want %q", size, names, want)
		}
	}
	page, err := s.ListFunctions("a", "a-", 1) // a name that does not exist
	must(t, err)
	if len(page) != 1 || page[0].Name != "a-b" {
		t.Fatalf("after a-: %v", page)
	}
	for _, limit := range []int{0, -1} {
		if page, err := s.ListFunctions("a", "", limit); err != nil || len(page) != 0 {
			t.Fatalf("limit %d: %v, %v", limit, page, err)
		}
	}
}

// counting counts reads.
type counting struct {
	kv.Reader
	gets, iterators int
}

func (c *counting) Get(key []byte) ([]byte, io.Closer, error) {
	c.gets++
	return c.Reader.Get(key)
}

func (c *counting) NewIter(o *pebble.IterOptions) (*pebble.Iterator, error) {
	c.iterators++
	return c.Reader.NewIter(o)
}

// A page costs the same wherever it begins and however many functions there are: one function is
// read for each one returned.
func TestPagesOfManyFunctions(t *testing.T) {
	t.Parallel()
	const size = 50
	all := openOn(t, vfs.NewMem(), "store")
	many(t, all, 100_000)
	for _, after := range []string{"", "name050000", "name099900"} {
		c := &counting{Reader: all.db}
		got, err := readFunctions(c, "a", after, size)
		must(t, err)
		if len(got) != size || c.gets != size || c.iterators != 1 {
			t.Errorf("after %q: %d functions cost %d reads and %d iterators", after, len(got), c.gets, c.iterators)
		}
	}
	first, err := all.ListFunctions("a", "name099949", size)
	must(t, err)
	if len(first) != size || first[0].Name != "name099950" {
		t.Errorf("the last page begins with %v", first[0])
	}
}

func BenchmarkFunctionByName(b *testing.B) {
	s := openOn(b, vfs.NewMem(), "store")
	many(b, s, 100_000)
	for i := 0; b.Loop(); i++ {
		if _, err := s.GetFunctionByName("a", fmt.Sprintf("name%06d", i*7919%100_000)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFunctions100(b *testing.B) {
	s := openOn(b, vfs.NewMem(), "store")
	many(b, s, 100_000)
	for b.Loop() {
		if _, err := s.ListFunctions("a", "name050000", 100); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPagesOfAMillionFunctions lists pages of a tenant with 10,000 functions, with -soak 100 a million. A page
// costs the same wherever it is, opening such a store holds no memory for each function, and a neighbour's
// list is its own.
func TestPagesOfAMillionFunctions(t *testing.T) {
	n := 10_000 * *soak
	dir := filepath.Join(fastDir(t), "store")
	s, err := Open(Options{Dir: dir, Log: quiet})
	must(t, err)
	many(t, s, n)
	for i := range 3 {
		id := fmt.Sprint("of b ", i)
		must(t, s.CreateFunction(function("b", id, fmt.Sprint("f", i), 1), version(id, 1, "source"), by("b")))
	}
	must(t, s.db.Flush())
	must(t, s.Close())
	var before, after goruntime.MemStats
	heap := func(m *goruntime.MemStats) {
		goruntime.GC()
		goruntime.ReadMemStats(m)
	}
	heap(&before)
	s, err = Open(Options{Dir: dir, Log: quiet})
	must(t, err)
	defer s.Close()
	if heap(&after); after.HeapAlloc > before.HeapAlloc+64*runtime.MiB {
		t.Errorf("a store with %d functions holds %d bytes of heap", n, after.HeapAlloc-before.HeapAlloc)
	}
	const limit = 100
	cost := func(from int) float64 {
		name := ""
		if from > 0 {
			name = fmt.Sprintf("name%06d", from-1)
		}
		return testing.AllocsPerRun(3, func() {
			page, err := s.ListFunctions("a", name, limit)
			if err != nil || len(page) != limit || page[0].Name != fmt.Sprintf("name%06d", from) || page[limit-1].Name != fmt.Sprintf("name%06d", from+limit-1) {
				t.Fatalf("the page from %d on has %d functions, %v", from, len(page), err)
			}
		})
	}
	first := cost(0)
	for _, from := range []int{1, n / 3, n / 2, n - limit} {
		if at := cost(from); at > 2*first {
			t.Errorf("of %d functions the page from %d on takes %.0f allocations, the first one %.0f", n, from, at, first)
		}
	}
	for after, want := range map[string]int{"": 3, "f0": 2, "f2": 0, "name000000": 0} {
		if page, err := s.ListFunctions("b", after, limit); err != nil || len(page) != want {
			t.Errorf("after %q a neighbour gets %d functions, %v", after, len(page), err)
		}
	}
}
