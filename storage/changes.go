package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// pendingChange is a runtime.Change that is about to be stored with a change of a tenant's
// function.
type pendingChange struct {
	runtime.Change
	id  keys.ID
	key lockedKey
}

// beginChange checks a change, and that its idempotency key is new. Until leave is called no other
// call can use the key.
func (s *Store) beginChange(tenant runtime.Tenant, c runtime.Change) (ready pendingChange, leave func(), err error) {
	x := &c.Execution
	id, err := checkExecution(x)
	switch {
	case err != nil:
		return ready, nil, err
	case !x.State.Terminal() || x.Kind == runtime.KindRun || x.Tenant != tenant:
		return ready, nil, fmt.Errorf("execution %s (%s of tenant %q, %s) cannot record a change of a function of tenant %q",
			x.ID, x.Kind, x.Tenant, x.State, tenant)
	case c.Key != nil && c.Key.Key == "":
		return ready, nil, errNoKey
	}
	key := s.lockKey(tenant, c.Key)
	ids, err := key.ids()
	if err == nil && len(ids) > 0 {
		err = keyTaken(c.Key.Key)
	}
	if err != nil {
		key.release()
		return ready, nil, err
	}
	pass := s.fence.pass(id)
	return pendingChange{c, id, key}, func() { pass(); key.release() }, nil
}

// put writes the records of the change.
func (c pendingChange) put(b *pebble.Batch, e *ends) error {
	return errors.Join(putDone(b, e, &c.Execution, c.id), c.key.put(b, []keys.ID{c.id}))
}
