package record

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Bytecode describes the bytecode of a bundle, which is in chunks.
type Bytecode struct {
	Build [sha256.Size]byte // of the guest that it is for
	Sum   [sha256.Size]byte // SHA-256 of the content
	Bytes int64             // of the content; 0: not all chunks are written
}

// Encode returns the encoded record.
func (b *Bytecode) Encode() []byte {
	value := append([]byte{EncodingRaw}, b.Build[:]...)
	return binary.BigEndian.AppendUint64(append(value, b.Sum[:]...), uint64(b.Bytes))
}

// DecodeBytecode decodes what [Bytecode.Encode] returns.
func DecodeBytecode(value []byte) (b Bytecode, err error) {
	body, err := Body(value, EncodingRaw)
	if err == nil && len(body) != 2*sha256.Size+8 {
		err = fmt.Errorf("the description of bytecode has %d bytes instead of %d", len(body), 2*sha256.Size+8)
	}
	if err != nil {
		return b, err
	}
	copy(b.Build[:], body)
	copy(b.Sum[:], body[sha256.Size:])
	b.Bytes = int64(binary.BigEndian.Uint64(body[2*sha256.Size:]))
	if b.Bytes < 0 {
		return b, fmt.Errorf("the bytecode has %d bytes", b.Bytes)
	}
	return b, nil
}
