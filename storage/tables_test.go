package storage

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// tablesOf returns the first and the last key of each table.
func tablesOf(t *testing.T, s *Store) (all [][2][]byte) {
	t.Helper()
	levels, err := s.db.SSTables()
	must(t, err)
	for _, level := range levels {
		for _, table := range level {
			all = append(all, [2][]byte{table.Smallest.UserKey, table.Largest.UserKey})
		}
	}
	return all
}

// TestTablesOfLargeResults writes results and small records in turn. No table has both: it would
// overlap all results that are older, and every compaction of it would write these again.
func TestTablesOfLargeResults(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	for range 4 {
		var batch []runtime.Execution
		for range 20 {
			x := c.done()
			x.Result = bytes.Repeat([]byte{'1'}, 50_000)
			batch = append(batch, x, c.done())
		}
		must(t, s.Record(batch))
		must(t, s.health.Flush(s.db.DB))
	}
	check := func(when string) {
		results := 0
		for _, table := range tablesOf(t, s) {
			if bytes.Compare(table[1], keys.TableEnd(table[0])) > 0 {
				t.Errorf("%s, a table has the keys from %q to %q", when, table[0], table[1])
			}
			if bytes.HasPrefix(table[0], keys.OfKind(runtime.DefaultTenant, keys.KindResult)) {
				results++
			}
		}
		if results == 0 {
			t.Errorf("%s, no table has results", when)
		}
	}
	check("after flushes")
	must(t, s.db.Compact(t.Context(), []byte{0}, []byte{0xFF}, false))
	check("after a compaction")
}

// TestTablesOfManyTenants checks that a flush of many tenants does not write tables for each of them.
func TestTablesOfManyTenants(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	var batch []runtime.Execution
	for i := range 50 * splitTenants {
		x := c.done()
		x.Tenant, x.Result = runtime.Tenant(fmt.Sprint("tenant-", i)), bytes.Repeat([]byte{'1'}, 2000)
		batch = append(batch, x)
	}
	must(t, s.Record(batch))
	must(t, s.health.Flush(s.db.DB))
	if n := len(tablesOf(t, s)); n > splitTenants {
		t.Errorf("a flush of %d tenants wrote %d tables", 50*splitTenants, n)
	}
}

// TestDroppedTenantsLeaveNoTables checks that tenants that come and go leave neither tables nor bytes on
// disk, and that freeing the space of one that has stored little writes nothing.
func TestDroppedTenantsLeaveNoTables(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	random := rand.NewChaCha8([32]byte{})
	come := func(name runtime.Tenant, results int) {
		must(t, s.PutTenant(runtime.TenantRecord{Name: name}, nil))
		var batch []runtime.Execution
		for range results {
			x := c.done()
			result := make([]byte, 250*runtime.KiB)
			_, _ = random.Read(result)
			x.Tenant, x.Result = name, []byte(strconv.Quote(hex.EncodeToString(result)))
			batch = append(batch, x)
		}
		must(t, s.Record(batch))
	}
	come("small", 1)
	must(t, s.health.Flush(s.db.DB))
	must(t, s.DropTenant("small"))
	before := s.db.Metrics()
	must(t, s.ReclaimTenant(t.Context(), "small"))
	if after := s.db.Metrics(); after.Flush.Count != before.Flush.Count || after.Compact.Count != before.Compact.Count {
		t.Errorf("%d flushes and %d compactions for one small tenant", after.Flush.Count-before.Flush.Count, after.Compact.Count-before.Compact.Count)
	}
	for i := range 8 {
		name := runtime.Tenant(fmt.Sprint("tenant-", i))
		come(name, 8)
		must(t, s.health.Flush(s.db.DB))
		must(t, s.DropTenant(name))
		must(t, s.ReclaimTenant(t.Context(), name))
	}
	m := s.db.Metrics()
	if tables, size := m.Total().TablesCount, m.Total().TablesSize; tables > 10 || size > runtime.MiB {
		t.Errorf("%d tables with %d bytes are left of tenants that are gone", tables, size)
	}
}
