package record

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// functionFields is the record of a runtime.Function, without what its key says. Field names are
// part of the format.
type functionFields struct {
	Name    string    `json:"name"`
	Version uint64    `json:"version"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Version is the record of a runtime.Version, without its source and context.
type Version struct {
	Name    string       `json:"name"`
	Limits  limitsRecord `json:"limits"`
	Source  int          `json:"source"`  // bytes
	Context int          `json:"context"` // bytes; 0: there is none
	Retries int          `json:"retries,omitempty"`
	Created time.Time    `json:"created"`
}

// limitsRecord is the stored form of runtime.Limits: the format must not change with a field's name
// there.
type limitsRecord struct {
	Timeout   time.Duration `json:"timeout,omitempty"` // nanoseconds
	Memory    int64         `json:"memory,omitempty"`
	Logs      int64         `json:"logs,omitempty"`
	OpenFiles int           `json:"open_files,omitempty"`
	Tmp       int64         `json:"tmp,omitempty"`
}

// EncodeFunction returns the record of a function.
func EncodeFunction(f runtime.Function) ([]byte, error) {
	return encodeJSON(EncodingJSON, functionFields{f.Name, f.Version, f.Created.UTC(), f.Updated.UTC()})
}

// DecodeFunction decodes what EncodeFunction returns.
func DecodeFunction(tenant runtime.Tenant, id string, value []byte) (runtime.Function, error) {
	var r functionFields
	if err := decodeJSON(value, &r, EncodingJSON); err != nil {
		return runtime.Function{}, fmt.Errorf("function %q of tenant %q: %w", id, tenant, err)
	}
	return runtime.Function{ID: id, Tenant: tenant, Name: r.Name, Version: r.Version, Created: r.Created, Updated: r.Updated}, nil
}

// EncodeVersion returns the record of a version.
func EncodeVersion(v runtime.Version) ([]byte, error) {
	return encodeJSON(EncodingJSON2, Version{v.Name, limitsRecord(v.Limits), len(v.Source), len(v.Context), v.Retries, v.Created.UTC()})
}

// DecodeVersion decodes what EncodeVersion returns.
func DecodeVersion(value []byte) (Version, error) {
	var r Version
	err := decodeJSON(value, &r, EncodingJSON, EncodingJSON2)
	return r, err
}
