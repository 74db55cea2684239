package storage

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// TestAttemptsEndWhileATenantIsDropped checks that attempts of callbacks, which end at any time, bring
// no record of a tenant back that is dropped meanwhile.
func TestAttemptsEndWhileATenantIsDropped(t *testing.T) {
	const tenant, callbacks = "gone", 16
	s := openOn(t, vfs.Default, t.TempDir())
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 30 {
		b := s.db.NewBatch()
		all := make([]runtime.Delivery, callbacks)
		for i := range all {
			all[i] = runtime.Delivery{Tenant: tenant, ID: storetest.ID(rng, start)}
			must(t, putDelivery(b, s.db, all[i]))
		}
		must(t, b.Commit(pebble.NoSync))
		var attempts sync.WaitGroup
		for _, d := range all {
			attempts.Go(func() {
				d.Dead = true
				if err := s.SaveAttempt(d); err != nil {
					t.Error(err)
				}
			})
		}
		attempts.Go(func() {
			if err := s.DropTenant(tenant); err != nil {
				t.Error(err)
			}
		})
		attempts.Wait()
		left := 0
		must(t, kv.EachKey(s.db, keys.OfTenant(tenant), func(_, _ []byte) error { left++; return nil }))
		if left > 0 {
			t.Fatalf("round %d: %d records are left", round, left)
		}
	}
}
