package storage

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/search"
)

const (
	// keptOverhead is the size, in bytes, that an execution has besides its values: its keys and
	// postings.
	keptOverhead = 512
	// maxKept is the largest number of executions of a record.Kept.
	maxKept = 512
)

// ends collects the executions that end in a batch: their postings, what retention must know of them,
// and what else the batch changes of what tenants have stored.
type ends struct {
	search.Postings
	counts
	kept map[keptGroup]*keptRecord
}

// keptGroup is what the executions of a record.Kept share.
type keptGroup struct {
	tenant     runtime.Tenant
	functionID string
	function   string
	job        keys.ID // the job's execution that they are tasks of; zero: they are none
	minute     int64   // in which they ended, since 1970
}

type keptRecord struct {
	record.Kept
	end time.Time // the latest end
}

func newEnds() *ends {
	return &ends{Postings: search.Postings{}, kept: make(map[keptGroup]*keptRecord)}
}

func (e *ends) keep(g keptGroup, one record.KeptEntry, end time.Time) {
	k := e.kept[g]
	if k == nil {
		k = &keptRecord{Kept: record.Kept{Function: g.function}}
		e.kept[g] = k
	}
	k.Entries = append(k.Entries, one)
	if end.After(k.end) {
		k.end = end
	}
}

// keepRun adds an execution that is done, whose records have some bytes.
func (e *ends) keepRun(x *runtime.Execution, id keys.ID, one record.KeptEntry) error {
	g := keptGroup{tenant: x.Tenant, functionID: x.FunctionID, function: x.Function, minute: x.Finished.Unix() / 60}
	if x.Task != nil {
		_, job, err := jobExecutionKey(x.Tenant, x.Task.JobExecution)
		if err != nil {
			return err
		}
		g.job = job
	}
	one.ID, one.State = id, record.StateCode(x.State)
	one.Traced = x.Kind == runtime.KindRun && x.Caller.TraceID != "" && x.Caller.TraceID != keys.OwnTrace(id)
	e.keep(g, one, x.Finished)
	return nil
}

// keepJob adds a job's execution that is done.
func (e *ends) keepJob(x *runtime.JobExecution, id keys.ID, size int) {
	g := keptGroup{tenant: x.Tenant, functionID: x.FunctionID, function: x.Function, minute: x.Finished.Unix() / 60}
	e.keep(g, record.KeptEntry{ID: id, Size: uint64(size + keptOverhead)}, x.Finished)
}

// put writes what was collected into a batch.
func (e *ends) put(b *pebble.Batch) error {
	errs := []error{e.Put(b)}
	for g, k := range e.kept {
		slices.SortFunc(k.Entries, func(a, b record.KeptEntry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		for part := range slices.Chunk(k.Entries, maxKept) {
			key := keys.KeptAt(g.tenant, g.functionID, k.end, part[0].ID)
			if g.job != (keys.ID{}) {
				key = keys.KeptTasksAt(g.tenant, g.job, g.functionID, part[0].ID)
			}
			r := record.Kept{Function: g.function, Entries: part}
			errs = append(errs, b.Set(key, r.Encode(), nil))
		}
	}
	return errors.Join(errs...)
}

// writeEnds is like commit.Committer.Write, for a batch in which executions end.
func (s *Store) writeEnds(need commit.Need, fill func(b *pebble.Batch, e *ends) error) error {
	return s.writeEndsBy(s.commits.Write, need, fill)
}

func (s *Store) writeEndsBy(write func(commit.Need, func(*pebble.Batch) error) error, need commit.Need, fill func(b *pebble.Batch, e *ends) error) error {
	e := newEnds()
	e.holdings = &s.holdings
	err := write(need, func(b *pebble.Batch) error { return errors.Join(fill(b, e), e.put(b)) })
	e.settle(err)
	if err != nil {
		return err
	}
	for g, k := range e.kept {
		s.usage.add(g.tenant, g.functionID, g.function, held{int64(len(k.Entries)), int64(k.Bytes())})
	}
	return nil
}

// held is a number of executions that are done, and the size of their records in bytes.
type held struct{ count, bytes int64 }

// usage is what each function of each tenant holds: its executions that are done, and those of jobs
// with their tasks. Functions are known by their ids.
type usage struct {
	mu   sync.Mutex
	all  map[runtime.Tenant]map[string]*holder
	sums map[runtime.Tenant]int64 // of the bytes of all functions
}

type holder struct {
	held
	names map[string]struct{} // the names that the function had when they ended
}

// tenants returns the number of tenants that hold anything.
func (u *usage) tenants() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.all)
}

// total returns the number and the size of what all tenants hold. It looks at each function.
func (u *usage) total() (count, bytes int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, functions := range u.all {
		for _, h := range functions {
			count += h.count
			bytes += h.bytes
		}
	}
	return count, bytes
}

func (u *usage) add(tenant runtime.Tenant, functionID, name string, more held) {
	u.mu.Lock()
	defer u.mu.Unlock()
	functions := u.all[tenant]
	if functions == nil {
		functions = make(map[string]*holder)
		u.all[tenant] = functions
	}
	h := functions[functionID]
	if h == nil {
		h = &holder{names: make(map[string]struct{})}
		functions[functionID] = h
	}
	h.count += more.count
	h.bytes += more.bytes
	u.sums[tenant] += more.bytes
	if more.count > 0 {
		h.names[name] = struct{}{}
	}
	if h.count == 0 {
		delete(functions, functionID)
	}
	if len(functions) == 0 {
		delete(u.all, tenant)
		delete(u.sums, tenant)
	}
}

// bytes returns the size of what a tenant holds.
func (u *usage) bytes(tenant runtime.Tenant) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sums[tenant]
}

// drop forgets a tenant.
func (u *usage) drop(tenant runtime.Tenant) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, tenant)
	delete(u.sums, tenant)
}

// names returns the names of a function under which executions may be kept.
func (u *usage) names(tenant runtime.Tenant, functionID string) (all []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if h := u.all[tenant][functionID]; h != nil {
		for name := range h.names {
			all = append(all, name)
		}
	}
	return all
}

// load sums up what a store has.
func (u *usage) load(r kv.Reader) error {
	u.mu.Lock()
	u.all, u.sums = make(map[runtime.Tenant]map[string]*holder), make(map[runtime.Tenant]int64)
	u.mu.Unlock()
	return kv.EachTenant(r, func(tenant runtime.Tenant) error {
		read := func(kind byte, functionOf func(key []byte) (string, error)) error {
			return kv.EachKey(r, keys.OfKind(tenant, kind), func(key, value []byte) error {
				functionID, err := functionOf(key)
				if err != nil {
					return kv.Damaged("key %x: %v", key, err)
				}
				name, n, bytes, err := record.DecodeKeptTotal(value)
				if err != nil {
					return kv.Damaged("key %x: %v", key, err)
				}
				u.add(tenant, functionID, name, held{int64(n), int64(bytes)})
				return nil
			})
		}
		return errors.Join(
			read(keys.KindKept, func(key []byte) (string, error) {
				functionID, _, err := keys.ParseKept(tenant, key)
				return functionID, err
			}),
			read(keys.KindKeptTasks, func(key []byte) (string, error) {
				_, functionID, err := keys.ParseKeptTasks(tenant, key)
				return functionID, err
			}),
		)
	})
}

// target is what a function may keep.
type target struct {
	tenant     runtime.Tenant
	functionID string
	now, most  held
}

// targets returns what each function may keep. tenantLimit returns how many bytes a tenant may keep that
// may keep most of them without a limit of its own. Where a limit of the whole store or of a tenant is
// exceeded, those that hold most are cut to the same level, so that none pushes out another that
// holds less.
func (u *usage) targets(r runtime.Retention, tenantLimit func(tenant runtime.Tenant, most int64) int64) []target {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []target
	var tenants [][2]int // the range of each tenant in all
	for tenant, functions := range u.all {
		from := len(all)
		for functionID, h := range functions {
			all = append(all, target{tenant: tenant, functionID: functionID, now: h.held})
		}
		tenants = append(tenants, [2]int{from, len(all)})
	}
	share := func(of func(*held) *int64, limit int64, ofTenant func(runtime.Tenant) int64, functionLimit int64) {
		sums := make([]int64, len(tenants))
		for i, t := range tenants {
			for j := t[0]; j < t[1]; j++ {
				sums[i] += min(*of(&all[j].now), functionLimit)
			}
			sums[i] = min(sums[i], ofTenant(all[t[0]].tenant))
		}
		top := level(sums, limit)
		for i, t := range tenants {
			own := make([]int64, 0, t[1]-t[0])
			for j := t[0]; j < t[1]; j++ {
				own = append(own, min(*of(&all[j].now), functionLimit))
			}
			most := min(level(own, min(sums[i], top)), functionLimit)
			for j := t[0]; j < t[1]; j++ {
				*of(&all[j].most) = most
			}
		}
	}
	bytesOf := func(tenant runtime.Tenant) int64 { return tenantLimit(tenant, orNone(r.TenantBytes)) }
	countOf := func(runtime.Tenant) int64 { return math.MaxInt64 }
	share(func(h *held) *int64 { return &h.bytes }, orNone(r.Bytes), bytesOf, orNone(r.FunctionBytes))
	share(func(h *held) *int64 { return &h.count }, orNone(int64(r.Count)), countOf, math.MaxInt64)
	return all
}

// orNone returns a limit; zero is none.
func orNone(limit int64) int64 {
	if limit <= 0 {
		return math.MaxInt64
	}
	return limit
}

// level returns the largest level such that the sizes, each cut to it, are not more than limit
// together. It is math.MaxInt64 if none need be cut.
func level(sizes []int64, limit int64) int64 {
	sizes = slices.Clone(sizes)
	slices.Sort(sizes)
	for i, size := range sizes {
		if n := int64(len(sizes) - i); size > limit/n {
			return max(limit, 0) / n
		}
		limit -= size
	}
	return math.MaxInt64
}
