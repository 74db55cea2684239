package storage

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// auditClock makes entries of the audit log, one per second.
type auditClock struct {
	now   time.Time
	clock *runtime.Clock
}

func newAuditClock() *auditClock {
	c := &auditClock{now: start}
	c.clock = runtime.NewClock(func() time.Time { c.now = c.now.Add(time.Second); return c.now })
	return c
}

func (c *auditClock) entry(tenant runtime.Tenant, name string) runtime.AuditEntry {
	at, id := c.clock.Stamp()
	return runtime.AuditEntry{
		ID: id, Time: at, Tenant: tenant, By: runtime.AuditActor{User: "ci", Token: "id of ci", Tenant: tenant}, Remote: "192.0.2.1:1",
		Outcome: runtime.AuditUnknown, Operation: "function.update", Name: name, Count: 1,
	}
}

// auditsOf returns the entries that a filter selects, newest first, and checks what is known of the log.
func auditsOf(t testing.TB, s *Store, f runtime.AuditFilter) (all []runtime.AuditEntry) {
	t.Helper()
	for r := (runtime.PageRequest{Limit: 7}); ; {
		page, err := s.ListAudit(f, r)
		must(t, err)
		all = append(all, page.Items...)
		if r.After = page.Next; r.After == "" {
			break
		}
	}
	checkAudit(t, s)
	return all
}

// checkAudit checks that each entry is found by its tenant, that nothing else is, and that the sizes are
// right.
func checkAudit(t testing.TB, s *Store) {
	t.Helper()
	sizes, total, entries := map[runtime.Tenant]int64{}, int64(0), 0
	must(t, kv.EachKey(s.db, keys.Audits(), func(key, value []byte) error {
		id, err := keys.DecodeID(keys.Audits(), key)
		must(t, err)
		e, err := record.DecodeAudit(id.String(), value)
		must(t, err)
		size, err := s.auditSize(e.Tenant, id)
		must(t, err)
		if size < int64(len(key)+len(value)) {
			t.Fatalf("the entry %+v has %d bytes", e, size)
		}
		sizes[e.Tenant] += size
		total += size
		entries++
		return nil
	}))
	must(t, kv.EachKey(s.db, keys.AuditsByTenant(), func(_, _ []byte) error { entries--; return nil }))
	s.audit.mu.Lock()
	defer s.audit.mu.Unlock()
	known := s.audit.bytes
	if known == nil {
		known = map[runtime.Tenant]int64{}
	}
	if diff := cmp.Diff(sizes, known); diff != "" || total != s.audit.total || entries != 0 {
		t.Fatalf("the sizes are wrong by %d, or %d keys: %s", s.audit.total-total, entries, diff)
	}
}

func namesOf(all []runtime.AuditEntry) string {
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

// TestAuditIsDurable checks that an entry that has begun is on disk as soon as the change is, after lost
// power too, and one that has ended in its final form.
func TestAuditIsDurable(t *testing.T) {
	alone(t, "a log has every entry that can be read")
	mem, c := vfs.NewCrashableMem(), newAuditClock()
	s := openOn(t, mem, "store")
	ended, begun, dropped, last := c.entry("a", "ended"), c.entry("a", "begun"), c.entry("a", "dropped"), c.entry("a", "last")
	must(t, s.BeginAudit(ended))
	final := ended
	final.Outcome, final.Tenant, final.Thing, final.Fields, final.Count = runtime.AuditDone, "b", "id", []string{"context"}, 3
	must(t, s.EndAudit(final, &ended))
	must(t, s.BeginAudit(dropped))
	must(t, s.DropAudit(dropped))
	must(t, s.BeginAudit(begun))
	must(t, s.CreateFunction(function("a", "id1", "one", 1), version("id1", 1, "source"), by("a"))) // the change
	must(t, s.BeginAudit(last))                                                                     // its change is never made
	lost := openOn(t, crashClone(mem, vfs.CrashCloneCfg{}), "store")
	if diff := cmp.Diff([]runtime.AuditEntry{begun, final}, auditsOf(t, lost, runtime.AuditFilter{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]runtime.AuditEntry{last, begun, final}, auditsOf(t, s, runtime.AuditFilter{})); diff != "" {
		t.Error(diff)
	}
	for tenant, want := range map[runtime.Tenant]string{"a": "last begun", "b": "ended", "": "", "c": ""} {
		if got := namesOf(auditsOf(t, s, runtime.AuditFilter{Tenant: &tenant})); got != want {
			t.Errorf("of %q: %s, want %s", tenant, got, want)
		}
	}
	for _, wrong := range []runtime.AuditEntry{{}, {ID: "x", Operation: "x.y", Time: start}, {ID: last.ID, Time: start}, {ID: last.ID, Operation: "x.y"}} {
		if s.BeginAudit(wrong) == nil {
			t.Errorf("%+v was stored", wrong)
		}
	}
}

// TestAuditIsBounded floods the log of one tenant: it loses its own oldest entries, and those of the others
// stay.
func TestAuditIsBounded(t *testing.T) {
	c := newAuditClock()
	o := options(vfs.NewMem(), "store")
	o.AuditBytes = 64 << 10
	s, err := Open(o)
	must(t, err)
	put := func(tenant runtime.Tenant, name string) {
		e := c.entry(tenant, name)
		must(t, s.BeginAudit(e))
		done := e
		done.Outcome = runtime.AuditDone
		must(t, s.EndAudit(done, &e))
	}
	const others = 5
	for i := range others {
		for n := range 10 {
			put(runtime.Tenant(fmt.Sprint("t", i)), fmt.Sprint(n))
		}
	}
	put("", "server")
	const flood = 2000
	for n := range flood {
		put("loud", fmt.Sprint("n", n))
		if s.audit.total > o.AuditBytes+o.AuditBytes/auditSlack+1000 {
			t.Fatalf("after %d the log has %d bytes", n, s.audit.total)
		}
	}
	check := func(when string) {
		t.Helper()
		for i := range others {
			tenant := runtime.Tenant(fmt.Sprint("t", i))
			if got := len(auditsOf(t, s, runtime.AuditFilter{Tenant: &tenant})); got != 10 {
				t.Errorf("%s, %s has %d entries", when, tenant, got)
			}
		}
		loud := runtime.Tenant("loud")
		all := auditsOf(t, s, runtime.AuditFilter{Tenant: &loud})
		if len(all) < 50 || len(all) > 500 {
			t.Errorf("%s, the loud tenant has %d entries", when, len(all))
		}
		for i, e := range all {
			if e.Name != fmt.Sprint("n", flood-1-i) {
				t.Fatalf("%s, entry %d is %s", when, i, e.Name)
			}
		}
	}
	check("after the flood")
	must(t, s.Close())
	s, err = Open(o)
	must(t, err)
	check("after a restart")
	must(t, s.Close())
	// A smaller bound takes from those that have most.
	o.AuditBytes = 8 << 10
	s, err = Open(o)
	must(t, err)
	defer s.Close()
	must(t, s.Expire(start, runtime.Retention{}))
	all := auditsOf(t, s, runtime.AuditFilter{})
	if s.audit.total > o.AuditBytes || len(all) < 10 {
		t.Errorf("%d entries with %d bytes", len(all), s.audit.total)
	}
	count := map[runtime.Tenant]int{}
	for _, e := range all {
		count[e.Tenant]++
	}
	if count[""] != 1 || count["loud"] > count["t0"]+1 || count["t0"] != count["t4"] {
		t.Errorf("they are cut to %v", count)
	}
}

// TestAuditExpires checks that entries are dropped for their age, and that time by which the clock has
// jumped ahead does not count.
func TestAuditExpires(t *testing.T) {
	c := newAuditClock()
	o := options(vfs.NewMem(), "store")
	o.AuditAge = time.Hour
	s, err := Open(o)
	must(t, err)
	defer s.Close()
	for n := range 3 * auditBatch {
		must(t, s.BeginAudit(c.entry(runtime.Tenant(fmt.Sprint(n%7)), fmt.Sprint(n))))
	}
	oldest := start.Add(time.Second)
	must(t, s.Expire(oldest.Add(time.Hour), runtime.Retention{}))
	if n := len(auditsOf(t, s, runtime.AuditFilter{})); n != 3*auditBatch {
		t.Errorf("%d entries", n)
	}
	must(t, s.Expire(oldest.Add(10*time.Hour), runtime.Retention{Ahead: 9 * time.Hour}))
	if n := len(auditsOf(t, s, runtime.AuditFilter{})); n != 3*auditBatch {
		t.Errorf("after a jump of the clock %d entries", n)
	}
	must(t, s.Expire(oldest.Add(time.Hour+2500*time.Second), runtime.Retention{}))
	all := auditsOf(t, s, runtime.AuditFilter{})
	if len(all) != 500 || all[499].Name != "2500" {
		t.Errorf("%d entries, the oldest is %s", len(all), all[len(all)-1].Name)
	}
	must(t, s.Expire(oldest.Add(100*time.Hour), runtime.Retention{}))
	if n := countKeys(t, s); len(auditsOf(t, s, runtime.AuditFilter{})) != 0 || len(s.audit.bytes) != 0 {
		t.Errorf("%d keys and %v are left", n, s.audit.bytes)
	}
}

// TestAuditFilters checks what is selected, and that a page that selects little looks at a bounded number
// of entries.
func TestAuditFilters(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newAuditClock()
	for n := range auditSteps + 100 {
		e := c.entry("a", fmt.Sprint(n))
		if n == 0 {
			e.Operation, e.By.User, e.By.Token, e.Outcome = "token.create", "ops", "id of ops", runtime.AuditDone
		}
		must(t, s.BeginAudit(e))
	}
	f := runtime.AuditFilter{Operation: "token.create"}
	page, err := s.ListAudit(f, runtime.PageRequest{})
	if err != nil || len(page.Items) != 0 || page.Next == "" {
		t.Errorf("a page without a match: %d, %q, %v", len(page.Items), page.Next, err)
	}
	page, err = s.ListAudit(f, runtime.PageRequest{After: page.Next})
	if err != nil || namesOf(page.Items) != "0" || page.Next != "" {
		t.Errorf("the last page: %v, %q, %v", page.Items, page.Next, err)
	}
	window := runtime.AuditFilter{Since: start.Add(time.Second), Until: start.Add(11 * time.Second)}
	for want, change := range map[string]func(*runtime.AuditFilter){
		"9 8 7 6 5 4 3 2 1 0": func(*runtime.AuditFilter) {},
		"0":                   func(f *runtime.AuditFilter) { f.Token = "ops" },
		"9 8 7 6 5 4 3 2 1":   func(f *runtime.AuditFilter) { f.Token = "id of ci" },
		"":                    func(f *runtime.AuditFilter) { f.Outcome = runtime.AuditRefused },
		"1 0":                 func(f *runtime.AuditFilter) { f.Until = start.Add(3 * time.Second) },
	} {
		f := window
		change(&f)
		if got := namesOf(auditsOf(t, s, f)); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	_, err = s.ListAudit(runtime.AuditFilter{}, runtime.PageRequest{After: "x"})
	wantCode(t, err, runtime.CodeInvalidArgument)
}

// TestAuditPagesAreBounded reads pages that select nothing of a long log: the work, counted in allocations,
// does not grow with the log.
func TestAuditPagesAreBounded(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newAuditClock()
	for n := range 21_000 {
		must(t, s.BeginAudit(c.entry("a", fmt.Sprint(n))))
	}
	tenant := runtime.Tenant("a")
	for _, f := range []runtime.AuditFilter{{Operation: "token.create"}, {Operation: "token.create", Tenant: &tenant}} {
		allocations := testing.AllocsPerRun(1, func() {
			page, err := s.ListAudit(f, runtime.PageRequest{})
			if err != nil || len(page.Items) > 0 || page.Next == "" {
				t.Errorf("%d entries, next %q, %v", len(page.Items), page.Next, err)
			}
		})
		if allocations > 120_000 {
			t.Errorf("a page with the filter %+v makes %.0f allocations", f, allocations)
		}
	}
}

// TestAuditConcurrently begins, ends, drops and expires entries at once. The sizes stay right, and entries
// that were dropped for their age while they were in progress end all the same.
func TestAuditConcurrently(t *testing.T) {
	o := options(vfs.NewMem(), "store")
	o.AuditBytes = 16 << 10
	s, err := Open(o)
	must(t, err)
	defer s.Close()
	clock := runtime.NewClock(time.Now)
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for n := range 200 {
				at, id := clock.Stamp()
				e := runtime.AuditEntry{ID: id, Time: at, Tenant: runtime.Tenant(fmt.Sprint(n % 3)), Operation: "job.delete", Outcome: runtime.AuditUnknown, Name: fmt.Sprint(worker)}
				err := s.BeginAudit(e)
				switch end := e; {
				case worker == 0 && n%20 == 0:
					err = errors.Join(err, s.Expire(time.Now().Add(o.withDefaults().AuditAge+time.Hour), runtime.Retention{}))
				case n%3 == 0:
					err = errors.Join(err, s.DropAudit(e))
				case n%3 == 1:
					end.Outcome, end.Tenant = runtime.AuditDone, "moved"
					err = errors.Join(err, s.EndAudit(end, &e))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	if n := len(auditsOf(t, s, runtime.AuditFilter{})); n == 0 {
		t.Error("nothing is left")
	}
}

// TestAuditOnANearlyFullDisk checks that a change that needs room cannot begin, and that the end of one
// that frees some is stored.
func TestAuditOnANearlyFullDisk(t *testing.T) {
	free := uint64(1 << 40)
	s, c := openOn(t, sizedFS{vfs.NewMem(), &free}, "store"), newAuditClock()
	free = DefaultMinFree - 1
	wantCode(t, s.BeginAudit(c.entry("a", "refused")), runtime.CodeUnavailable)
	must(t, s.EndAudit(c.entry("a", "deletion"), nil))
	if got := namesOf(auditsOf(t, s, runtime.AuditFilter{})); got != "deletion" {
		t.Error(got)
	}
}
