package record

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// The first byte of a value.
const (
	EncodingRaw    = 1 // the bytes that follow are the value
	EncodingJSON   = 2 // a JSON object follows
	EncodingFields = 3 // fields follow, see fieldWriter

	// Encodings of records whose fields have changed. Values in the older encodings are still read.
	EncodingJSON2        = 4  // of versions: with retries; of revisions: with the id of the function; of functions: paused
	EncodingFields3      = 6  // of executions: with the request, and the task that the execution is
	EncodingPostings     = 7  // postings follow, see package search
	EncodingSamePostings = 8  // the field and value of a stream with the same postings follow, see package search
	EncodingJSON3        = 10 // of versions: with a bundle
	EncodingFields4      = 9  // of attempts: with the suspicion
	EncodingJSON4        = 12 // of versions: with an allow list
	EncodingFields5      = 13 // of executions that are done: with what they sent and received
	EncodingJSON5        = 21 // of versions: with whether args are kept
	EncodingFields6      = 20 // of executions: with what becomes of their args, and the run that they repeat
	EncodingPacked       = 14 // of args and results: the bytes that follow are the value, compressed as a block of S2
	EncodingJSON6        = 22 // of versions: with the user who deployed it
	EncodingFields7      = 23 // of logs: with the times of lines
	EncodingFields2      = 5  // of attempts, and of executions that are done: with lost attempts, and logs
)

func encodeJSON(encoding byte, record any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte(encoding)
	if err := json.NewEncoder(&b).Encode(record); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decodeJSON refuses fields that it does not know: a change of the fields needs another encoding.
func decodeJSON(value []byte, record any, encodings ...byte) error {
	body, err := Body(value, encodings...)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(record); err != nil {
		return fmt.Errorf("the value is damaged: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("the value is damaged: data follows the object")
	}
	return nil
}

// EncodeRaw returns a value that is its own bytes.
func EncodeRaw[T []byte | string](data T) []byte { return append([]byte{EncodingRaw}, data...) }

// PutRaw writes what EncodeRaw returns to value, which has one byte more than the data.
func PutRaw(value, data []byte) {
	value[0] = EncodingRaw
	copy(value[1:], data)
}

// DecodeRaw returns a copy of the bytes in value.
func DecodeRaw(value []byte) ([]byte, error) {
	data, err := Body(value, EncodingRaw)
	return bytes.Clone(data), err
}

// Body returns what follows the encoding byte, which must be one of encodings.
func Body(value []byte, encodings ...byte) ([]byte, error) {
	switch {
	case len(value) == 0:
		return nil, fmt.Errorf("the value is empty")
	case !slices.Contains(encodings, value[0]):
		return nil, fmt.Errorf("the value has encoding %d instead of one of %d", value[0], encodings)
	}
	return value[1:], nil
}

// EncodeNumber returns the value of a number.
func EncodeNumber(n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{EncodingRaw}, n)
}

// DecodeNumber decodes what EncodeNumber returns.
func DecodeNumber(value []byte) (uint64, error) {
	number, err := Body(value, EncodingRaw)
	if err == nil && len(number) != 8 {
		err = fmt.Errorf("the number has %d bytes instead of 8", len(number))
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(number), nil
}

// EncodeTime returns the value of a time.
func EncodeTime(t time.Time) []byte {
	f := newFieldWriter(EncodingFields, 12)
	f.time(t)
	return f.value
}

// DecodeTime decodes what EncodeTime returns.
func DecodeTime(value []byte) (time.Time, error) {
	f := newFieldReader(value, EncodingFields)
	t := f.time()
	return t, f.end()
}
