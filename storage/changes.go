package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// keptChange is a runtime.Change that is about to be kept with a change of a
// function of a tenant.
type keptChange struct {
	runtime.Change
	id keys.ID
}

// beginChange checks a change, and that its key is free. Until leave is called
// nobody else can take the key.
func (s *Store) beginChange(tenant runtime.Tenant, c runtime.Change) (ready keptChange, leave func(), err error) {
	x := &c.Execution
	id, err := checkExecution(x)
	switch {
	case err != nil:
		return ready, nil, err
	case !x.State.Terminal() || x.Kind == runtime.KindRun || x.Tenant != tenant:
		return ready, nil, fmt.Errorf("execution %s (%s of tenant %q, %s) cannot be that of a change of a function of tenant %q",
			x.ID, x.Kind, x.Tenant, x.State, tenant)
	case c.Key != nil && c.Key.Key == "":
		return ready, nil, errNoKey
	}
	unlock := func() {}
	if c.Key != nil {
		unlock = s.lockPromise(tenant, c.Key)
		ids, err := s.promised(tenant, c.Key)
		if err == nil && len(ids) > 0 {
			err = keyTaken(c.Key.Key)
		}
		if err != nil {
			unlock()
			return ready, nil, err
		}
	}
	pass := s.horizon.pass(id)
	return keptChange{c, id}, func() { pass(); unlock() }, nil
}

var errNoKey = errors.New("an idempotency key is empty")

// put writes what is kept with the change.
func (c keptChange) put(b *pebble.Batch) error {
	err := putDone(b, nil, &c.Execution, c.id)
	if c.Key != nil {
		err = errors.Join(err, putPromise(b, c.Execution.Tenant, c.Key, []keys.ID{c.id}))
	}
	return err
}
