package sandbox

import (
	"reflect"

	"github.com/tetratelabs/wazero/api"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxStack is the size in bytes up to which wazero grows the native stack of a call: it starts
	// with 10 KiB and doubles until it exceeds 50 million bytes.
	maxStack = 84_000_000
	// stackShare is the part of runtime.RunOverhead, in bytes, that a native stack may have.
	stackShare = 512 * runtime.KiB
	// maxIdleStack is the largest native stack, in bytes, that is used again for the next call.
	maxIdleStack = 256 * runtime.KiB
)

// nativeStack is the stack of machine code on which wazero runs a function. It lies on Go's heap,
// and grows without a hook; wazero offers no way to bound it, so slots look at its length at every
// checkpoint.
type nativeStack struct{ bytes reflect.Value }

// stackOf returns the native stack of a function.
func stackOf(fn api.Function) (s nativeStack) {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return s
	}
	field, ok := v.Elem().Type().FieldByName("stack")
	if !ok || field.Type.Kind() != reflect.Slice || field.Type.Elem().Kind() != reflect.Uint8 {
		return s
	}
	return nativeStack{v.Elem().FieldByIndex(field.Index)}
}

// size returns the present size of the stack in bytes; known is false if this release of wazero
// does not store it as expected.
func (s nativeStack) size() (n int64, known bool) {
	if !s.bytes.IsValid() {
		return 0, false
	}
	return int64(s.bytes.Len()), true
}

// takeStack takes the memory that the native stack of the call in progress has grown by beyond its
// share, and reports whether it could.
func (s *slot) takeStack() bool {
	size, _ := s.call.stack.size()
	more := size - stackShare - s.call.stackBytes
	if more <= 0 {
		return true
	}
	if !s.take(s.accounts.stacks, more) {
		return false
	}
	s.call.stackBytes += more
	return true
}

// freeStack drops the native stack after a call, unless it is small.
func (s *slot) freeStack() {
	if size, known := s.call.stack.size(); !known || size > maxIdleStack {
		s.bind()
	}
	s.call.stack = nativeStack{}
	if n := s.call.stackBytes; n > 0 {
		s.call.stackBytes = 0
		s.accounts.stacks.Give(n)
	}
}
