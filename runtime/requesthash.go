package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"strings"
)

// requestHash computes the hash by which the store distinguishes requests with the same
// idempotency key. It covers everything that must be the same in a repeated request. A text is
// preceded by its length and an optional value by a flag, so different requests have different
// inputs.
type requestHash struct{ hash hash.Hash }

func newRequestHash(kind Kind) requestHash {
	h := requestHash{sha256.New()}
	h.text([]byte(kind))
	return h
}

func (h requestHash) number(n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	_, _ = h.hash.Write(b[:])
}

func (h requestHash) text(b []byte) {
	h.number(int64(len(b)))
	_, _ = h.hash.Write(b)
}

// has adds the flag of an optional value, and returns it.
func (h requestHash) has(present bool) bool {
	if present {
		h.number(1)
	} else {
		h.number(0)
	}
	return present
}

// allow adds a member that not all requests have.
func (h requestHash) allow(rules []string) {
	h.text([]byte("allow"))
	h.number(int64(len(rules)))
	for _, r := range rules {
		h.text([]byte(r))
	}
}

// keepArgs adds a member that not all requests have.
func (h requestHash) keepArgs(keep *bool) {
	if keep != nil {
		h.text([]byte("keep args"))
		h.has(*keep)
	}
}

func (h requestHash) sum() (sum [sha256.Size]byte) {
	h.hash.Sum(sum[:0])
	return sum
}

// Hash covers everything that the caller sent, except for the key, and the owner of the key.
func (r BulkRequest) Hash() [sha256.Size]byte {
	h := newRequestHash(KindRun)
	h.text([]byte(r.Function))
	if h.has(r.Retries != nil) {
		h.number(int64(*r.Retries))
	}
	h.number(int64(len(r.Args)))
	for _, args := range r.Args {
		h.text(ObjectOrEmpty(args))
	}
	if r.KeyOwner != "" {
		h.text([]byte("owner"))
		h.text([]byte(r.KeyOwner))
	}
	return h.sum()
}

// Hash covers everything that the caller sent, except for the key, and the owner of the key. It does not
// need the execution, which may have been dropped since.
func (r *RerunRequest) Hash() [sha256.Size]byte {
	h := newRequestHash("rerun")
	h.text([]byte(strings.ToLower(r.ID)))
	if h.has(r.Args != nil) {
		h.text(r.Args)
	}
	h.number(int64(r.Version))
	if h.has(r.Retries != nil) {
		h.number(int64(*r.Retries))
	}
	h.text([]byte(r.KeyOwner))
	return h.sum()
}

// Hash covers everything that the caller sent, except for the key.
func (r *JobStartRequest) Hash() [sha256.Size]byte {
	h := newRequestHash("job")
	h.text([]byte(r.Job))
	h.text([]byte(r.Name))
	h.number(r.Memory)
	h.number(int64(r.Parallelism))
	h.has(r.NoQueue)
	h.text([]byte(r.Trigger))
	h.number(int64(len(r.Env)))
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		h.text([]byte(name))
		h.text([]byte(r.Env[name]))
	}
	h.number(int64(len(r.Tasks)))
	for _, args := range r.Tasks {
		h.text(ObjectOrEmpty(args))
	}
	for _, id := range r.RerunOf {
		h.text([]byte(id))
	}
	return h.sum()
}

// Hash covers everything that the caller sent, except for the key.
func (s FunctionSpec) Hash() [sha256.Size]byte {
	h := newRequestHash(KindCreate)
	h.text([]byte(s.Name))
	h.text(s.Source)
	h.text(s.Context)
	for _, limit := range []int64{int64(s.Limits.Timeout), s.Limits.Memory, s.Limits.Logs, int64(s.Limits.OpenFiles), s.Limits.Tmp} {
		h.number(limit)
	}
	h.number(int64(s.Retries))
	if len(s.Allow) > 0 { // the hashes of other requests stay as they were before there were allow lists
		h.allow(s.Allow)
	}
	h.keepArgs(s.KeepArgs)
	return h.sum()
}

// Hash covers everything that the caller sent, except for the key.
func (u FunctionUpdate) Hash() [sha256.Size]byte {
	h := newRequestHash(KindUpdate)
	h.text([]byte(u.Name))
	if h.has(u.NewName != nil) {
		h.text([]byte(*u.NewName))
	}
	if h.has(u.Source != nil) {
		h.text(u.Source)
	}
	if h.has(u.Context != nil) {
		h.text(u.Context)
	}
	if h.has(u.Timeout != nil) {
		h.number(int64(*u.Timeout))
	}
	if h.has(u.Memory != nil) {
		h.number(*u.Memory)
	}
	if h.has(u.Retries != nil) {
		h.number(int64(*u.Retries))
	}
	if u.Bundle != nil {
		h.text(u.Bundle.ID[:])
	}
	if u.Allow != nil { // as in a FunctionSpec
		h.allow(u.Allow)
	}
	h.keepArgs(u.KeepArgs)
	if u.ContextPatch != nil {
		h.text([]byte("context patch"))
		h.text(u.ContextPatch)
	}
	if u.Create { // the hashes of other requests stay as they were before there was this one
		h.text([]byte(KindCreate))
	}
	if u.Restore != 0 {
		h.text([]byte("restore"))
		h.number(int64(u.Restore))
		h.has(u.KeepContext)
	}
	u.If.hash(h)
	return h.sum()
}

// hash adds a condition, unless there is none: so do requests of before there were conditions.
func (p Precondition) hash(h requestHash) {
	if !p.Exists && !p.Absent {
		return
	}
	h.text([]byte("if"))
	h.has(p.Exists)
	h.has(p.Absent)
	h.number(int64(len(p.Tags)))
	for _, tag := range p.Tags {
		h.text([]byte(tag))
	}
}

// Hash covers everything that the caller sent, except for the key.
func (d FunctionDeletion) Hash() [sha256.Size]byte {
	h := newRequestHash(KindDelete)
	h.text([]byte(d.Name))
	return h.sum()
}
