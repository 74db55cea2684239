package storage

import (
	"errors"
	"sync"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// attempts holds in memory the leases, and the records of executions that wait for their next
// attempt. Most executions have neither when they start, and finding that out on disk would cost
// more than the rest of a start. An entry changes after the store has; only lockedExecutions reads
// and changes it.
type attempts struct {
	mu  sync.Mutex
	all map[executionRef]record.Attempt
}

type executionRef struct {
	tenant runtime.Tenant
	id     keys.ID
}

func (a *attempts) get(of executionRef) record.Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[of]
}

// set stores an attempt, or drops the attempt of an execution that is done.
func (a *attempts) set(of executionRef, now record.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now == (record.Attempt{}) {
		delete(a.all, of)
		return
	}
	a.all[of] = now
}

// load reads the attempts of a store.
func (a *attempts) load(r kv.Reader) error {
	a.all = map[executionRef]record.Attempt{}
	return kv.EachTenant(r, func(tenant runtime.Tenant) error {
		return errors.Join(
			kv.EachID(r, tenant, keys.KindLease, func(s *kv.IDIterator) {
				lease := kv.Decode(s, record.DecodeLease)
				a.all[executionRef{tenant, s.ID}] = record.Attempt{Lease: &lease}
			}),
			kv.EachID(r, tenant, keys.KindWaiting, func(s *kv.IDIterator) {
				waiting := kv.Decode(s, record.DecodeWaiting)
				a.all[executionRef{tenant, s.ID}] = record.Attempt{Waiting: &waiting}
			}),
		)
	})
}

// attemptAt returns the attempt of the execution at an iterator from the iterators of leases and
// waiting records, which follow it.
func attemptAt(s, leases, waiting *kv.IDIterator) (a record.Attempt) {
	if !leases.Lacks(s) {
		lease := kv.Decode(leases, record.DecodeLease)
		a.Lease = &lease
	}
	if !waiting.Lacks(s) {
		w := kv.Decode(waiting, record.DecodeWaiting)
		a.Waiting = &w
	}
	return a
}
