package record

import (
	"encoding/binary"
	"fmt"

	"github.com/faaspot/faaspot/storage/replog"
)

// positionSize is the size of an encoded position, in bytes.
const positionSize = 3*8 + len(replog.Hash{})

// EncodePosition encodes how far a log is applied.
func EncodePosition(p replog.Position) []byte {
	b := make([]byte, 0, 1+positionSize)
	b = append(b, EncodingRaw)
	b = binary.BigEndian.AppendUint64(b, p.Generation)
	b = binary.BigEndian.AppendUint64(b, p.Epoch)
	b = binary.BigEndian.AppendUint64(b, p.Seq)
	return append(b, p.Hash[:]...)
}

// DecodePosition is the inverse of EncodePosition.
func DecodePosition(value []byte) (p replog.Position, err error) {
	b, err := Body(value, EncodingRaw)
	if err != nil {
		return p, err
	}
	if len(b) != positionSize {
		return p, fmt.Errorf("the value is damaged: a position of %d bytes", len(b))
	}
	p.Generation = binary.BigEndian.Uint64(b)
	p.Epoch = binary.BigEndian.Uint64(b[8:])
	p.Seq = binary.BigEndian.Uint64(b[16:])
	copy(p.Hash[:], b[24:])
	return p, nil
}
