package record

import (
	"time"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// Idempotency is the record of an idempotency key: the request that used it, and the ids of its
// executions.
type Idempotency struct {
	At   time.Time
	Hash [32]byte
	IDs  []keys.ID
}

// Encode returns the encoded record.
func (r Idempotency) Encode() []byte {
	f := newFieldWriter(EncodingFields, 48+len(keys.ID{})*len(r.IDs))
	f.time(r.At)
	f.rest(r.Hash[:])
	for _, id := range r.IDs {
		f.rest(id[:])
	}
	return f.value
}

// DecodeIdempotency decodes what Idempotency.Encode returns.
func DecodeIdempotency(value []byte) (r Idempotency, err error) {
	f := newFieldReader(value, EncodingFields)
	r.At = f.time()
	copy(r.Hash[:], f.view(uint64(len(r.Hash))))
	for len(f.left) > 0 {
		var id keys.ID
		copy(id[:], f.view(uint64(len(id))))
		r.IDs = append(r.IDs, id)
	}
	return r, f.end()
}
