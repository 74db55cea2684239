package storage

import (
	"errors"
	"sync"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"

	"github.com/faaspot/faaspot/storage/internal/kv"
)

// attempts holds in memory the leases and what is kept of executions that wait
// for their next attempt. Most executions have neither when they start, and to
// find that out on disk would cost more than all else about starting. Who reads
// or changes an entry holds the lock of its execution; it changes when the store
// has.
type attempts struct {
	mu  sync.Mutex
	all map[attemptOf]attempt
}

type attemptOf struct {
	tenant runtime.Tenant
	id     keys.ID
}

// attempt has a lease while it is under way, and waiting between attempts.
type attempt struct {
	lease   *leaseRecord
	waiting *waitingRecord
}

func (a *attempts) get(of attemptOf) attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[of]
}

// set keeps an attempt, or forgets that of an execution that is done.
func (a *attempts) set(of attemptOf, now attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now == (attempt{}) {
		delete(a.all, of)
		return
	}
	a.all[of] = now
}

// load reads what a store holds.
func (a *attempts) load(r kv.Reader) error {
	a.all = map[attemptOf]attempt{}
	return kv.EachTenant(r, func(tenant runtime.Tenant) error {
		return errors.Join(
			kv.EachID(r, tenant, keys.KindLease, func(s *kv.IDIterator) {
				lease := kv.Decode(s, decodeLease)
				a.all[attemptOf{tenant, s.ID}] = attempt{lease: &lease}
			}),
			kv.EachID(r, tenant, keys.KindWaiting, func(s *kv.IDIterator) {
				waiting := kv.Decode(s, decodeWaiting)
				a.all[attemptOf{tenant, s.ID}] = attempt{waiting: &waiting}
			}),
		)
	})
}

// attemptAt reads the attempt of the execution at which a source stands from
// those of leases and of waiting ones, which follow it.
func attemptAt(s, leases, waiting *kv.IDIterator) (a attempt) {
	if !leases.Lacks(s) {
		lease := kv.Decode(leases, decodeLease)
		a.lease = &lease
	}
	if !waiting.Lacks(s) {
		w := kv.Decode(waiting, decodeWaiting)
		a.waiting = &w
	}
	return a
}
