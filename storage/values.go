package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// The first byte of a value.
const (
	encodingRaw    = 1 // the bytes that follow are the value
	encodingJSON   = 2 // a JSON object follows
	encodingFields = 3 // fields follow, see fields.go

	// What is written since its fields have changed. What was written before is
	// read as ever.
	encodingJSON2    = 4 // of versions: with retries
	encodingFields3  = 6 // of executions: with who asked for them, and the task that they are
	encodingPostings = 7 // postings follow, see postings.go
	encodingSame     = 8 // the field and value whose postings are the same, see postings.go
	encodingFields2  = 5 // of attempts and of executions that are done: with attempts that were lost, and logs
)

// functionRecord is what is kept of a runtime.Function beside what its key
// says. Field names are part of the format.
type functionRecord struct {
	Name    string    `json:"name"`
	Version uint64    `json:"version"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// versionRecord is what is kept of a runtime.Version beside its source and
// context.
type versionRecord struct {
	Name    string       `json:"name"`
	Limits  limitsRecord `json:"limits"`
	Source  int          `json:"source"`  // bytes
	Context int          `json:"context"` // bytes; 0: there is none
	Retries int          `json:"retries,omitempty"`
	Created time.Time    `json:"created"`
}

// limitsRecord is runtime.Limits as it is kept: the format must not change when
// somebody renames a field there.
type limitsRecord struct {
	Timeout   time.Duration `json:"timeout,omitempty"` // nanoseconds
	Memory    int64         `json:"memory,omitempty"`
	Logs      int64         `json:"logs,omitempty"`
	OpenFiles int           `json:"open_files,omitempty"`
	Tmp       int64         `json:"tmp,omitempty"`
}

func encodeFunction(f runtime.Function) ([]byte, error) {
	return encodeJSON(encodingJSON, functionRecord{f.Name, f.Version, f.Created.UTC(), f.Updated.UTC()})
}

func decodeFunction(tenant runtime.Tenant, id string, value []byte) (runtime.Function, error) {
	var r functionRecord
	if err := decodeJSON(value, &r, encodingJSON); err != nil {
		return runtime.Function{}, fmt.Errorf("function %q of tenant %q: %w", id, tenant, err)
	}
	return runtime.Function{ID: id, Tenant: tenant, Name: r.Name, Version: r.Version, Created: r.Created, Updated: r.Updated}, nil
}

func encodeVersion(v runtime.Version) ([]byte, error) {
	return encodeJSON(encodingJSON2, versionRecord{v.Name, limitsRecord(v.Limits), len(v.Source), len(v.Context), v.Retries, v.Created.UTC()})
}

func decodeVersion(value []byte) (versionRecord, error) {
	var r versionRecord
	err := decodeJSON(value, &r, encodingJSON, encodingJSON2)
	return r, err
}

func encodeJSON(encoding byte, record any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte(encoding)
	if err := json.NewEncoder(&b).Encode(record); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decodeJSON takes fields that it does not know for damage: a change of the
// fields is another encoding.
func decodeJSON(value []byte, record any, encodings ...byte) error {
	body, err := body(value, encodings...)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(record); err != nil {
		return fmt.Errorf("the value is damaged: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("the value is damaged: something follows the object")
	}
	return nil
}

func encodeRaw[T []byte | string](data T) []byte { return append([]byte{encodingRaw}, data...) }

// decodeRaw gives a copy of the bytes in value.
func decodeRaw(value []byte) ([]byte, error) {
	data, err := body(value, encodingRaw)
	return bytes.Clone(data), err
}

// body is what follows the encoding byte, which must be one of those given.
func body(value []byte, encodings ...byte) ([]byte, error) {
	switch {
	case len(value) == 0:
		return nil, fmt.Errorf("the value is empty")
	case !slices.Contains(encodings, value[0]):
		return nil, fmt.Errorf("the value has encoding %d where %d should be", value[0], encodings)
	}
	return value[1:], nil
}

func encodeNumber(n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{encodingRaw}, n)
}

func decodeNumber(value []byte) (uint64, error) {
	number, err := body(value, encodingRaw)
	if err == nil && len(number) != 8 {
		err = fmt.Errorf("the number has %d bytes where 8 should be", len(number))
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(number), nil
}
