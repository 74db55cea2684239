package record

import (
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// Kept is executions that are done, as retention drops them: by the name of their function at that
// time. Executions that end in one batch share a record.
type Kept struct {
	Function string
	Entries  []KeptEntry
}

// KeptEntry is one execution. The flags say which records it has beside its own.
type KeptEntry struct {
	ID     keys.ID
	State  byte   // its terminal state, see StateCode; 0 for an execution of a job
	Result bool   // a result of its own
	Logs   bool   // logs of its own
	Traced bool   // it is found by a trace that another request has begun
	Args   bool   // args of its own
	Size   uint64 // bytes of all its records
}

// Bits of an entry, behind its state.
const (
	keptState  = 0x0F
	keptResult = 0x10
	keptLogs   = 0x20
	keptTraced = 0x40
	keptArgs   = 0x80
)

// Bytes returns the size of all executions.
func (k *Kept) Bytes() (bytes uint64) {
	for i := range k.Entries {
		bytes += k.Entries[i].Size
	}
	return bytes
}

// Encode returns the encoded record.
func (k *Kept) Encode() []byte {
	f := newFieldWriter(EncodingFields, 16+len(k.Function)+len(k.Entries)*(len(keys.ID{})+4))
	f.text(k.Function)
	f.count(uint64(len(k.Entries)))
	f.count(k.Bytes())
	for i := range k.Entries {
		e := &k.Entries[i]
		bits := e.State
		for _, flag := range []struct {
			set bool
			bit byte
		}{{e.Result, keptResult}, {e.Logs, keptLogs}, {e.Traced, keptTraced}, {e.Args, keptArgs}} {
			if flag.set {
				bits |= flag.bit
			}
		}
		f.rest(e.ID[:])
		f.octet(bits)
		f.count(e.Size)
	}
	return f.value
}

// DecodeKeptTotal returns the function of a record, and the number and size of its executions.
func DecodeKeptTotal(value []byte) (function string, n, bytes uint64, err error) {
	f := newFieldReader(value, EncodingFields)
	function, n, bytes = f.text(), f.count(), f.count()
	return function, n, bytes, f.err
}

// DecodeKept decodes what Kept.Encode returns.
func DecodeKept(value []byte) (k Kept, err error) {
	f := newFieldReader(value, EncodingFields)
	k.Function = f.text()
	n, bytes := f.count(), f.count()
	if n > uint64(len(f.left)) {
		f.fail()
	}
	for range min(n, uint64(len(f.left))) {
		var e KeptEntry
		copy(e.ID[:], f.view(uint64(len(e.ID))))
		bits := f.octet()
		e.State, e.Result, e.Logs = bits&keptState, bits&keptResult != 0, bits&keptLogs != 0
		e.Traced, e.Args = bits&keptTraced != 0, bits&keptArgs != 0
		e.Size = f.count()
		k.Entries = append(k.Entries, e)
	}
	if k.Bytes() != bytes {
		f.fail()
	}
	return k, f.end()
}
