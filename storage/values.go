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

// setPacked adds the value of data to a batch: packed if that is shorter. Without it, Pebble would
// write all of the data to its log and its memtable, and compress it for each table that it moves to.
func setPacked(b *pebble.Batch, key, data []byte) error {
	return record.Pack(data, func(encoding byte, body []byte) error {
		op := b.SetDeferred(len(key), 1+len(body))
		copy(op.Key, key)
		op.Value[0] = encoding
		copy(op.Value[1:], body)
		return op.Finish()
	})
}
