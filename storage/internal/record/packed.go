package record

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// keptScratch is the largest buffer, in bytes, of which several may be in use at once.
const keptScratch = 2 << 20

// scratch holds buffers (*[]byte) that values are packed in, and largeScratch those that are larger
// than keptScratch. Of the latter one is in use at a time, however many requests bring large values:
// it has at most 7 MiB, for a value of [runtime.MaxResult], and no account counts it.
var (
	scratch      = sync.Pool{New: func() any { return new([]byte) }}
	largeScratch = sync.Pool{New: func() any { return new([]byte) }}
	largeTurn    sync.Mutex
)

// Pack calls use with the parts of the value of data: its encoding, and the bytes after it. These are
// packed if that saves at least an eighth of them, and data otherwise. They are valid during the call.
// Data must be at most 4 GiB.
func Pack(data []byte, use func(encoding byte, body []byte) error) error {
	size, buffers := s2.MaxEncodedLen(len(data)), &scratch
	if size > keptScratch {
		largeTurn.Lock()
		defer largeTurn.Unlock()
		buffers = &largeScratch
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if cap(*buffer) < size {
		*buffer = make([]byte, size)
	}
	packed := s2.Encode((*buffer)[:cap(*buffer)], data)
	if len(packed) > len(data)-len(data)/8 {
		return use(EncodingRaw, data)
	}
	return use(EncodingPacked, packed)
}

// Unpack returns a copy of the data in a value of Pack, which must have size bytes.
func Unpack(value []byte, size uint64) ([]byte, error) {
	body, err := Body(value, EncodingRaw, EncodingPacked)
	if err != nil {
		return nil, err
	}
	length := len(body)
	if value[0] == EncodingPacked {
		if length, err = s2.DecodedLen(body); err != nil {
			return nil, fmt.Errorf("the value is damaged: %w", err)
		}
	}
	if uint64(length) != size {
		return nil, fmt.Errorf("the value has %d bytes instead of %d", length, size)
	}
	data := make([]byte, length)
	if value[0] == EncodingRaw {
		copy(data, body)
		return data, nil
	}
	if _, err := s2.Decode(data, body); err != nil {
		return nil, fmt.Errorf("the value is damaged: %w", err)
	}
	return data, nil
}
