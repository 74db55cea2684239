package storage

import (
	"encoding/json"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
)

// putDelivery keeps a delivery, as a JSON object.
func putDelivery(b *pebble.Batch, d runtime.Delivery) error {
	id, ok := parseID(d.ID)
	if !ok || d.Tenant == "" {
		return fmt.Errorf("a delivery needs a tenant and a UUIDv7, not %q, %q", d.Tenant, d.ID)
	}
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return b.Set(keyOfExecution(kindDelivery, d.Tenant, id), append([]byte{encodingJSON}, value...), nil)
}
