package sandbox

import (
	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
)

// transfer is the host side of faas.call(op, request, request_len, response, response_cap), the
// only host function besides WASI, yield and hash. It returns the number of bytes that it wrote, or
// -1. It treats every value from the guest as hostile.
func (s *slot) transfer(op int32, request, requestLen, response, responseCap uint32) int32 {
	const refused = -1
	c := &s.call
	switch op {
	case pyguest.OpName, pyguest.OpSource, pyguest.OpCode, pyguest.OpArgs, pyguest.OpContext:
		in := c.input[op]
		out, ok := s.slice(response, responseCap)
		if !ok || len(out) < len(in) {
			return refused
		}
		c.input[op] = nil // the guest's memory has it from now on
		s.copyPieces(out[:0], in)
		return int32(len(in))
	case pyguest.OpResult, pyguest.OpFailure:
		p, ok := s.slice(request, requestLen)
		if !ok || c.answered {
			return refused
		}
		c.answered = true
		if op == pyguest.OpResult {
			// One byte over the limit is enough to detect that the result is too large.
			p = p[:min(len(p), c.op.maxResult()+1)]
			if !s.takeResult(len(p)) {
				s.end(runtime.ClassMemory)
			}
			// append copies without clearing the memory first, as make would: a copy of at most 6 MiB
			// without checkpoints takes as long as make alone.
			c.result = append([]byte{}, p...)
		} else {
			c.failure = append([]byte(nil), p[:min(len(p), maxFailure)]...)
		}
		return 0
	case pyguest.OpWait:
		p, ok := s.slice(request, requestLen)
		if !ok || c.op != opRun || c.answered {
			return refused
		}
		if c.wait, c.waits = s.system.Until(p); !c.waits {
			return refused
		}
		c.until = s.processors.now().Add(c.wait)
		return 0
	}
	return refused
}

// takeResult counts n bytes of a result, which exist on Go's heap beside the guest's memory until
// the slot is restored. It reports whether the run's reservation has room for both.
func (s *slot) takeResult(n int) bool {
	c := &s.call
	room := c.limits.Memory + c.limits.Tmp + resultShare - int64(len(s.memory.data())) - c.tmp
	if int64(n) > room {
		return false
	}
	s.accounts.results.Add(int64(n))
	c.resultBytes = int64(n)
	return true
}

// resultShare is the part of runtime.RunOverhead, in bytes, that a result may have.
const resultShare = 256 * runtime.KiB

// copyPieces appends src to dst, which has room for it, with checkpoints.
func (s *slot) copyPieces(dst, src []byte) []byte {
	for len(src) > pieceSize {
		dst = append(dst, src[:pieceSize]...)
		src = src[pieceSize:]
		s.Checkpoint()
	}
	return append(dst, src...)
}

// slice returns a range of the guest's memory, and whether the range lies within it.
func (s *slot) slice(at, n uint32) ([]byte, bool) {
	mem := s.memory.data()
	if end := uint64(at) + uint64(n); end > uint64(len(mem)) {
		return nil, false
	}
	return mem[at : uint64(at)+uint64(n)], true
}
