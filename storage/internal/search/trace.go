package search

import (
	"errors"
	"math"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// Trace finds the executions of a trace, done or not, from the newest to the oldest.
type Trace struct {
	o *searcher
	s stream
}

// NewTrace returns the executions of a trace. The caller must close it.
func NewTrace(r kv.Reader, tenant runtime.Tenant, traceID string) *Trace {
	o := &searcher{r: r, tenant: tenant, resource: keys.Resource{Kind: keys.ResourceTenant}, maxSteps: math.MaxInt}
	found := []stream{o.stream(runtime.FieldTrace, traceID, nil)}
	if id, ok := keys.ParseOwnTrace(traceID); ok {
		found = append(found, &singleStream{cursor{at: acceptedAt(id)}})
	}
	return &Trace{o, union(o, found)}
}

// Before returns the newest execution that is older than id; ok is false if there is none, or after
// an error, which Close returns.
func (t *Trace) Before(id keys.ID) (found keys.ID, ok bool) {
	t.s.seek(acceptedAt(id).Prev())
	at, ok := t.s.head()
	return at.ID, ok && t.o.err == nil
}

// Close releases the iterators, and returns the first error.
func (t *Trace) Close() error { return errors.Join(t.o.err, t.o.close()) }
