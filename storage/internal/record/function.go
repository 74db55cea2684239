package record

import (
	"encoding/hex"
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
	Paused  bool      `json:"paused,omitempty"`
}

// Version is the record of a runtime.Version, without its source and context.
type Version struct {
	Name    string       `json:"name"`
	Limits  limitsRecord `json:"limits"`
	Source  int          `json:"source"`  // bytes
	Context int          `json:"context"` // bytes; 0: there is none
	Retries int          `json:"retries,omitempty"`
	Created time.Time    `json:"created"`
	Bundle  string       `json:"bundle,omitempty"` // its id in hexadecimal; empty: there is none
	Zip     int64        `json:"zip,omitempty"`    // bytes of the bundle
	Allow   []string     `json:"allow,omitempty"`  // rules in their normal form
	By      string       `json:"by,omitempty"`     // user who deployed it
	// KeepArgs says whether args are kept; nil: the server's default applies.
	KeepArgs *bool `json:"keep_args,omitempty"`
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

// EncodeFunction returns the record of a function. Earlier releases read those that are not paused.
func EncodeFunction(f runtime.Function) ([]byte, error) {
	encoding := byte(EncodingJSON)
	if f.Paused {
		encoding = EncodingJSON2
	}
	return encodeJSON(encoding, functionFields{f.Name, f.Version, f.Created.UTC(), f.Updated.UTC(), f.Paused})
}

// MayBePaused reports whether a record is that of a function that is paused, or damaged.
func MayBePaused(value []byte) bool { return len(value) == 0 || value[0] != EncodingJSON }

// DecodeFunction decodes what EncodeFunction returns.
func DecodeFunction(tenant runtime.Tenant, id string, value []byte) (runtime.Function, error) {
	var r functionFields
	if err := decodeJSON(value, &r, EncodingJSON, EncodingJSON2); err != nil {
		return runtime.Function{}, fmt.Errorf("function %q of tenant %q: %w", id, tenant, err)
	}
	return runtime.Function{ID: id, Tenant: tenant, Name: r.Name, Version: r.Version, Created: r.Created, Updated: r.Updated, Paused: r.Paused}, nil
}

// EncodeVersion returns the record of a version. Earlier releases read those without what they do not
// know: an allow list, a bundle, a user.
func EncodeVersion(v runtime.Version) ([]byte, error) {
	r := Version{
		Name: v.Name, Limits: limitsRecord(v.Limits), Source: len(v.Source), Context: len(v.Context), Retries: v.Retries, Created: v.Created.UTC(),
	}
	encoding := byte(EncodingJSON2)
	if !v.Bundle.IsZero() {
		r.Bundle, r.Zip = v.Bundle.ID.String(), v.Bundle.Bytes
		encoding = EncodingJSON3
	}
	if len(v.Allow) > 0 {
		r.Allow = v.Allow
		encoding = EncodingJSON4
	}
	if v.KeepArgs != nil {
		r.KeepArgs = v.KeepArgs
		encoding = EncodingJSON5
	}
	if v.By != "" {
		r.By = v.By
		encoding = EncodingJSON6
	}
	return encodeJSON(encoding, r)
}

// DecodeVersion decodes what EncodeVersion returns.
func DecodeVersion(value []byte) (Version, error) {
	var r Version
	if err := decodeJSON(value, &r, EncodingJSON, EncodingJSON2, EncodingJSON3, EncodingJSON4, EncodingJSON5, EncodingJSON6); err != nil {
		return r, err
	}
	_, err := r.BundleOf()
	return r, err
}

// BundleOf returns the bundle of a version, zero if there is none.
func (r Version) BundleOf() (b runtime.Bundle, err error) {
	if r.Bundle == "" && r.Zip == 0 {
		return b, nil
	}
	id, err := hex.DecodeString(r.Bundle)
	if err != nil || len(id) != len(b.ID) || r.Zip <= 0 {
		return b, fmt.Errorf("the value is damaged: %q of %d bytes is not a bundle", r.Bundle, r.Zip)
	}
	return runtime.Bundle{ID: runtime.BundleID(id), Bytes: r.Zip}, nil
}
