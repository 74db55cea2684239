package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// Changes are what a record of a log has changed, or removed, of what a store is asked for by those who remember the
// answer.
type Changes struct {
	Functions []string // their ids
	Tenants   []runtime.Tenant
	Tokens    []string // their ids
	Settings  bool
}

// changesIn returns what a batch changes.
func changesIn(b *pebble.Batch) (c Changes, err error) {
	for r := b.Reader(); ; {
		_, key, _, ok, err := r.Next()
		if !ok || err != nil {
			return c, err
		}
		if len(key) == 0 {
			continue
		}
		switch key[0] {
		case keys.SpaceSettings:
			c.Settings = true
		case keys.SpaceAccess:
			if name, err := keys.DecodeText(keys.Tenants(), key); err == nil {
				c.Tenants = append(c.Tenants, runtime.Tenant(name))
			} else if id, err := keys.DecodeText(keys.Tokens(), key); err == nil {
				c.Tokens = append(c.Tokens, id)
			}
		case keys.SpaceTenants:
			if id, ok := keys.FunctionOf(key); ok {
				c.Functions = append(c.Functions, id)
			}
		}
	}
}

// GetTenant returns the record of a tenant; see runtime.AccessStore.
func (s *Store) GetTenant(name runtime.Tenant) (t runtime.TenantRecord, found bool, err error) {
	var read *runtime.TenantRecord
	err = s.durably(func(r kv.Reader) (err error) {
		read, err = kv.Find(r, keys.Tenant(name), func(value []byte) (runtime.TenantRecord, error) { return record.DecodeTenant(name, value) })
		return err
	})
	if read != nil {
		t = *read
	}
	return t, read != nil, fault("storage.tenant", err)
}

// GetToken returns a token; see runtime.AccessStore.
func (s *Store) GetToken(id string) (t runtime.Token, found bool, err error) {
	var read *runtime.Token
	err = s.durably(func(r kv.Reader) (err error) {
		read, err = kv.Find(r, keys.Token(id), func(value []byte) (runtime.Token, error) { return record.DecodeToken(id, value) })
		return err
	})
	if read != nil {
		t = *read
	}
	return t, read != nil, fault("storage.token", err)
}

// RecordOnce is Record without the executions that are recorded already. It returns those that were not. Of two
// calls with the same executions, one must return before the other begins.
func (s *Store) RecordOnce(batch []runtime.Execution) (recorded []runtime.Execution, err error) {
	const op = "storage.record"
	err = s.snapshot(func(r kv.Reader) error {
		for i := range batch {
			x := &batch[i]
			id, err := checkExecution(x)
			if err != nil {
				return err
			}
			switch _, err = readDoneRecord(r, x.Tenant, id); {
			case errors.Is(err, kv.ErrAbsent):
				recorded = append(recorded, *x)
			case err != nil:
				return err
			}
		}
		return nil
	})
	if err == nil && len(recorded) > 0 {
		err = s.Record(recorded)
	}
	if err != nil {
		return nil, fault(op, err)
	}
	return recorded, nil
}
