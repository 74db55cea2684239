package storage

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/storage/internal/record"
)

// setRaw adds a value that is its own bytes to a batch, without another copy of them: such a value
// may have several MiB.
func setRaw(b *pebble.Batch, key, data []byte) error {
	op := b.SetDeferred(len(key), 1+len(data))
	copy(op.Key, key)
	record.PutRaw(op.Value, data)
	return op.Finish()
}
