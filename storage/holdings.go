package storage

import (
	"bytes"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// tally is what a tenant has stored besides executions that are done, which usage counts. Indexes
// and idempotency keys are not counted.
type tally struct {
	functions int64
	sources   int64 // bytes of the sources and contexts of all versions
	bundles   int64 // bytes of the bundles that are stored or written
	rest      int64 // bytes of executions that are not done, of jobs, and of callbacks
}

func (h tally) plus(more tally) tally {
	return tally{h.functions + more.functions, h.sources + more.sources, h.bundles + more.bundles, h.rest + more.rest}
}

func (h tally) negative() tally { return tally{-h.functions, -h.sources, -h.bundles, -h.rest} }

// holdings counts what each tenant has stored, and refuses what is beyond its limits. A count changes
// before a write that adds something, and after one that removes something.
type holdings struct {
	mu     sync.Mutex
	all    map[runtime.Tenant]tally
	limits func(runtime.Tenant) runtime.TenantLimits // nil: there are none
}

// LimitTenants makes the store refuse what is beyond the limits of tenants. of is called often, and
// concurrently; it must not call the store.
func (s *Store) LimitTenants(of func(runtime.Tenant) runtime.TenantLimits) {
	s.holdings.mu.Lock()
	defer s.holdings.mu.Unlock()
	s.holdings.limits = of
}

// Stored returns what a tenant has stored.
func (s *Store) Stored(tenant runtime.Tenant) runtime.TenantStored {
	h := s.holdings.of(tenant)
	return runtime.TenantStored{Functions: h.functions, Code: h.sources + h.bundles, Bytes: h.rest + s.usage.bytes(tenant)}
}

// CheckRoom returns the error with which a new function with code bytes of code would be refused now;
// see runtime.FunctionStore.
func (s *Store) CheckRoom(tenant runtime.Tenant, code int64) error {
	s.holdings.mu.Lock()
	defer s.holdings.mu.Unlock()
	return s.holdings.check(tenant, tally{functions: 1, sources: code})
}

func (a *holdings) of(tenant runtime.Tenant) tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[tenant]
}

// limitsOf returns the limits of a tenant. The caller holds the lock.
func (a *holdings) limitsOf(tenant runtime.Tenant) runtime.TenantLimits {
	if a.limits == nil {
		return runtime.TenantLimits{}
	}
	return a.limits(tenant)
}

// check returns an error if a tenant may not store more. The caller holds the lock.
func (a *holdings) check(tenant runtime.Tenant, more tally) error {
	has, most := a.all[tenant], a.limitsOf(tenant)
	if err := most.CheckFunctions(has.functions, more.functions); err != nil {
		return err
	}
	if err := most.CheckCode(has.sources+has.bundles, more.sources+more.bundles); err != nil {
		return err
	}
	return most.CheckStored(has.rest, more.rest)
}

// reserve counts what is about to be written, unless the tenant may not store it.
func (a *holdings) reserve(tenant runtime.Tenant, more tally) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.check(tenant, more); err != nil {
		return err
	}
	a.set(tenant, a.all[tenant].plus(more))
	return nil
}

// add changes a count, whatever the limits are.
func (a *holdings) add(tenant runtime.Tenant, more tally) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set(tenant, a.all[tenant].plus(more))
}

// set sets a count. The caller holds the lock.
func (a *holdings) set(tenant runtime.Tenant, h tally) {
	if h == (tally{}) {
		delete(a.all, tenant)
		return
	}
	a.all[tenant] = h
}

// drop forgets a tenant.
func (a *holdings) drop(tenant runtime.Tenant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, tenant)
}

// historyLimit returns how many bytes of executions that are done a tenant may keep: what other records
// leave of its limit, or most without one.
func (a *holdings) historyLimit(tenant runtime.Tenant, most int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if own := int64(a.limitsOf(tenant).StoredBytes); own > 0 {
		return max(own-a.all[tenant].rest, 0)
	}
	return most
}

// deadLetterLimit returns how many bytes the bodies of the dead letters of a tenant may have.
func (a *holdings) deadLetterLimit(tenant runtime.Tenant) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if own := a.limitsOf(tenant).StoredBytes; own > 0 {
		return min(own, runtime.MaxDeadLetterBytes)
	}
	return runtime.MaxDeadLetterBytes
}

// bytecodeLimit returns how many bytes the bytecode of the bundles of a tenant may have; 0: there is no
// limit.
func (s *Store) bytecodeLimit(tenant runtime.Tenant) int64 {
	s.holdings.mu.Lock()
	defer s.holdings.mu.Unlock()
	limit := s.bundles.limit
	if own := int64(s.holdings.limitsOf(tenant).CodeBytes); own > 0 && (limit == 0 || own < limit) {
		limit = own
	}
	if limit == 0 {
		return 0
	}
	return max(limit/bytecodePart, 1)
}

// counts collects how a batch changes what tenants have stored.
type counts struct {
	holdings *holdings
	reserved map[runtime.Tenant]tally // counted already
	changed  map[runtime.Tenant]tally // to count when the batch is written
}

// reserve counts what the batch adds, or returns an error if the tenant may not store it.
func (c *counts) reserve(tenant runtime.Tenant, more tally) error {
	if max(more.functions, more.sources, more.bundles, more.rest) <= 0 {
		c.add(tenant, more)
		return nil
	}
	if err := c.holdings.reserve(tenant, more); err != nil {
		return err
	}
	if c.reserved == nil {
		c.reserved = make(map[runtime.Tenant]tally)
	}
	c.reserved[tenant] = c.reserved[tenant].plus(more)
	return nil
}

// add notes what the batch adds, whatever the limits are, or removes.
func (c *counts) add(tenant runtime.Tenant, more tally) {
	if c.changed == nil {
		c.changed = make(map[runtime.Tenant]tally)
	}
	c.changed[tenant] = c.changed[tenant].plus(more)
}

// settle counts what the batch has changed, or undoes what was reserved for it if it was not written.
func (c *counts) settle(err error) {
	if err != nil {
		for tenant, h := range c.reserved {
			c.holdings.add(tenant, h.negative())
		}
		return
	}
	for tenant, h := range c.changed {
		c.holdings.add(tenant, h)
	}
}

// writeCounted is like commit.Committer.Write, for a batch that changes what tenants have stored.
func (s *Store) writeCounted(need commit.Need, fill func(*pebble.Batch, *counts) error) error {
	c := counts{holdings: &s.holdings}
	err := s.commits.Write(need, func(b *pebble.Batch) error { return fill(b, &c) })
	c.settle(err)
	return err
}

// The sizes of records that count, in bytes.

func queuedSize(argsSize uint64) int64 { return keptOverhead + int64(argsSize) }

func recordSize(value int) int64 { return keptOverhead + int64(value) }

func deliverySize(d *runtime.Delivery) int64 { return keptOverhead + int64(d.BodySize) }

// countedKinds are the kinds of records that count, except for bundles, and what one of them counts.
var countedKinds = map[byte]func(value []byte) (tally, error){
	keys.KindFunction: func([]byte) (tally, error) { return tally{functions: 1}, nil },
	keys.KindVersion: func(value []byte) (tally, error) {
		v, err := record.DecodeVersion(value)
		if err != nil {
			return tally{}, nil // the other functions need not suffer from it
		}
		return tally{sources: int64(v.Source + v.Context)}, nil
	},
	keys.KindAccepted: func(value []byte) (tally, error) {
		x, err := record.DecodeAccepted(value)
		return tally{rest: queuedSize(x.ArgsSize)}, err
	},
	keys.KindWaiting: func(value []byte) (tally, error) {
		w, err := record.DecodeWaiting(value)
		return tally{rest: int64(w.LogsSize)}, err
	},
	keys.KindJob:         countRecord,
	keys.KindRevision:    countRecord,
	keys.KindJobAccepted: countRecord,
	keys.KindDelivery:    countDelivery,
	keys.KindDeadLetter:  countDelivery,
}

func countRecord(value []byte) (tally, error) { return tally{rest: recordSize(len(value))}, nil }

func countDelivery(value []byte) (tally, error) {
	d, err := record.DecodeDelivery(value)
	return tally{rest: deliverySize(&d)}, err
}

// loadHoldings counts what a store that was opened has, except for bundles.
func loadHoldings(r kv.Reader) (map[runtime.Tenant]tally, error) {
	all := make(map[runtime.Tenant]tally)
	return all, kv.EachTenant(r, func(tenant runtime.Tenant) error {
		h, err := countHolding(r, tenant)
		if h != (tally{}) {
			all[tenant] = h
		}
		return err
	})
}

// countHolding reads the records that count with one iterator: most tenants have few of them.
func countHolding(r kv.Reader, tenant runtime.Tenant) (h tally, err error) {
	all := keys.OfTenant(tenant)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: all, UpperBound: keys.PrefixEnd(all)})
	if err != nil {
		return h, err
	}
	for kind, count := range countedKinds {
		prefix := keys.OfKind(tenant, kind)
		for ok := it.SeekGE(prefix); ok && err == nil && bytes.HasPrefix(it.Key(), prefix); ok = it.Next() {
			var value []byte
			var one tally
			if value, err = it.ValueAndErr(); err == nil {
				value, err = kv.Open(r, it.Key(), value)
			}
			if err == nil {
				one, err = count(value)
			}
			if err != nil {
				err = kv.Damaged("key %x: %v", it.Key(), err)
			}
			h = h.plus(one)
		}
	}
	return h, errors.Join(err, it.Error(), it.Close())
}
