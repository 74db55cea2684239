package storage

import (
	"errors"
	"sync"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
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
func (a *attempts) load(r reader) error {
	a.all = map[attemptOf]attempt{}
	return eachTenant(r, func(tenant runtime.Tenant) error {
		return errors.Join(
			eachOf(r, tenant, keys.KindLease, func(s *source) {
				lease := s.lease()
				a.all[attemptOf{tenant, s.id}] = attempt{lease: &lease}
			}),
			eachOf(r, tenant, keys.KindWaiting, func(s *source) {
				waiting := decoded(s, decodeWaiting)
				a.all[attemptOf{tenant, s.id}] = attempt{waiting: &waiting}
			}),
		)
	})
}

// eachOf calls do with a source at each record of a kind that a tenant has.
func eachOf(r reader, tenant runtime.Tenant, kind byte, do func(*source)) error {
	var lower keys.ID
	s := newSource(r, keys.OfKind(tenant, kind), lower, keys.LastID)
	for s.first(); s.ok; s.next() {
		do(s)
	}
	return errors.Join(s.err, s.close())
}
