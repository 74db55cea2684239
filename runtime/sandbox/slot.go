package sandbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// slot is an instance of the guest that serves one run after the other. Its memory is restored to
// the image after each run, and reloaded when the image changes. One goroutine at a time.
type slot struct {
	guest      *guest
	processors *processors
	tmpBudget  *atomic.Int64 // bytes that all slots together may still add to /tmp

	instance     api.Module
	memory       memory
	system       *wasi.System
	stack        api.MutableGlobal
	ticks        api.MutableGlobal // the instrumenter's counter
	initialTicks uint64            // value of ticks after instantiation
	compile      api.Function
	deploy       api.Function
	run          api.Function

	image  *image // loaded image; nil: an image must be loaded before use
	tenant runtime.Tenant
	call   call
	logs   runtime.LogBuffer // for calls that bring no buffer
	claim  claim
	host   hostContext

	hashers hashers
}

// call is the state of one call into the guest.
type call struct {
	op       operation
	deadline time.Time
	input    [pyguest.OpContext + 1][]byte // by operation
	result   []byte
	failure  []byte
	answered bool          // the guest has sent a result or a failure; only the first counts
	endClass runtime.Class // why the host ended the run; empty if it did not
	exitCode int
	logs     *runtime.LogBuffer
	hashed   uint32 // bytes hashed since the last checkpoint
}

// endOfRun is the value that the host panics with to end a run; wazero returns it as the call's
// error. The reason is call.endClass.
type endOfRun struct{}

func (endOfRun) Error() string { return "the run was ended" }

// hostContext is the context of the call in progress, extended by the slot that makes it. wazero
// passes it from the call to the host functions.
type hostContext struct {
	context.Context
	slot *slot
}

// noCall is the context of a slot without a call in progress.
var noCall = context.Background()

// slotOf returns the slot that called a host function.
func slotOf(ctx context.Context) *slot { return ctx.(*hostContext).slot }

func (s *slot) end(class runtime.Class) {
	s.call.endClass = class
	panic(endOfRun{})
}

// Checkpoint ends the run if its deadline has passed or it was cancelled, and lets other runs
// compute. It implements wasi.Control.
func (s *slot) Checkpoint() {
	s.memory.unwatch(false) // the run may continue on another thread
	now := s.processors.checkpoint(&s.claim)
	if !now.Before(s.call.deadline) {
		s.end(runtime.ClassTimeout)
	}
	if s.host.Err() != nil {
		s.end(runtime.ClassCancelled)
	}
}

// Sleep implements wasi.Control. A sleeping run releases its permit to compute.
func (s *slot) Sleep(d time.Duration) {
	s.memory.unwatch(false)
	left := time.Until(s.call.deadline)
	timer := time.NewTimer(min(d, max(left, 0)))
	defer timer.Stop()
	s.processors.release()
	select {
	case <-timer.C:
	case <-s.host.Done():
	}
	s.processors.acquire(&s.claim)
	s.Checkpoint()
}

// Exit implements wasi.Control.
func (s *slot) Exit(code uint32) {
	s.call.exitCode = int(code & 0xff)
	s.end(runtime.ClassExited)
}

// Log implements wasi.Control.
func (s *slot) Log(stream int, p []byte) { s.call.logs.Append(uint8(stream), p) }

// Charge implements wasi.Control.
func (s *slot) Charge(n int64) bool {
	if s.tmpBudget.Add(-n) < 0 && n > 0 {
		s.tmpBudget.Add(n)
		return false
	}
	return true
}

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
		return int32(copy(out, in))
	case pyguest.OpResult, pyguest.OpFailure:
		p, ok := s.slice(request, requestLen)
		if !ok || c.answered {
			return refused
		}
		c.answered = true
		if op == pyguest.OpResult {
			// One byte over the limit is enough to detect that the result is too large.
			c.result = append([]byte(nil), p[:min(len(p), c.op.maxResult()+1)]...)
		} else {
			c.failure = append([]byte(nil), p[:min(len(p), maxFailure)]...)
		}
		return 0
	}
	return refused
}

// slice returns a range of the guest's memory, and whether the range lies within it.
func (s *slot) slice(at, n uint32) ([]byte, bool) {
	mem := s.memory.data()
	if end := uint64(at) + uint64(n); end > uint64(len(mem)) {
		return nil, false
	}
	return mem[at : uint64(at)+uint64(n)], true
}

// operation is the kind of a call into the guest.
type operation uint8

const (
	opRun     operation = iota // inputs: args, context; result: JSON
	opCompile                  // inputs: name, source; result: code
	opDeploy                   // inputs: name, source, code; result: null
)

// maxCode is the largest compiled size of a function's source, in bytes.
const maxCode = 32 * runtime.MiB

func (op operation) maxResult() int {
	if op == opCompile {
		return maxCode
	}
	return runtime.MaxResult
}

// request describes a call to make.
type request struct {
	op       operation
	inputs   [3][]byte // as many as the operation has
	deadline time.Time
	limits   runtime.Limits
	logs     *runtime.LogBuffer // nil: the slot's own buffer
}

// prepare makes the slot ready to run from an image, for a tenant. The slot becomes a holder of the
// image. Another image of the same tenant replaces the present one page by page; another tenant
// gets a memory with only fresh pages.
func (s *slot) prepare(img *image, tenant runtime.Tenant) error {
	if s.image == img && s.tenant == tenant {
		return nil
	}
	if s.image != nil && s.tenant == tenant && s.image.size == img.size && img.size == s.guest.base.size {
		if err := s.memory.swap(img); err != nil {
			return err
		}
		s.image.release()
		s.image = img.retain()
		return nil
	}
	s.unload()
	if grow := img.size - len(s.memory.data()); grow > 0 {
		s.memory.setLimit(img.size)
		if _, ok := s.instance.Memory().Grow(uint32(grow / wasmPage)); !ok {
			return fmt.Errorf("growing a slot's memory to %d bytes", img.size)
		}
	}
	if err := s.memory.load(img); err != nil {
		return err
	}
	s.image, s.tenant = img.retain(), tenant
	return nil
}

// unload releases the image, so that the next one is loaded afresh.
func (s *slot) unload() {
	if s.image != nil {
		s.image.release()
		s.image = nil
	}
}

// invoke makes a call from the image that the slot was prepared for. The caller holds a permit to
// compute. Afterwards the memory is as the call left it.
func (s *slot) invoke(ctx context.Context, r request) (outcome runtime.Outcome, usable bool) {
	start := s.processors.now()
	s.host.Context = ctx
	c := &s.call
	*c = call{op: r.op, deadline: r.deadline}
	if c.logs = r.logs; c.logs == nil {
		s.logs.Reset(r.limits.Logs)
		c.logs = &s.logs
	}
	fn, first, n := s.run, pyguest.OpArgs, 2
	switch r.op {
	case opCompile:
		fn, first = s.compile, pyguest.OpName
	case opDeploy:
		fn, first, n = s.deploy, pyguest.OpName, 3
	}
	var params [3]uint64
	for i := range n {
		c.input[first+i] = r.inputs[i]
		params[i] = uint64(len(r.inputs[i]))
	}
	s.memory.setLimit(max(int(r.limits.Memory), s.image.size))
	s.system.Reset(s.image.files, wasi.Limits{OpenFiles: r.limits.OpenFiles, TmpBytes: r.limits.Tmp})

	s.memory.watch()
	defer s.memory.unwatch(false) // for a panic; otherwise this does nothing
	err := fn.CallWithStack(&s.host, params[:n])
	s.memory.unwatch(true)
	outcome = s.outcome(int32(params[0]), err)
	outcome.Logs = c.logs.End()
	outcome.Usage.Memory = int64(len(s.memory.data()))
	outcome.Usage.Duration = s.processors.now().Sub(start)
	if outcome.Usage.Duration > longCall {
		s.bind()
	}
	s.host.Context = noCall
	c.input, c.logs, c.result, c.failure = [len(c.input)][]byte{}, nil, nil, nil
	s.logs.Reset(0)
	return outcome, err == nil
}

// longCall is the duration after which a call's native stack, which grows to up to 84 MB and never
// shrinks, is not reused for the next call. A shorter call has no time to grow it beyond some
// hundred KiB.
const longCall = 5 * time.Millisecond

// bind looks up the functions that calls use. Each lookup brings a new native stack.
func (s *slot) bind() {
	s.compile = s.instance.ExportedFunction(exportCompile)
	s.deploy = s.instance.ExportedFunction(exportDeploy)
	s.run = s.instance.ExportedFunction(exportRun)
}

// restore resets the slot to its image. A slot that cannot be restored exactly, because its memory
// has grown, is no longer usable.
func (s *slot) restore() (pages int, usable bool, err error) {
	s.system.Reset(nil, wasi.Limits{})
	if len(s.memory.data()) != s.image.size {
		return 0, false, nil
	}
	s.stack.Set(s.guest.base.stack)
	s.ticks.Set(s.initialTicks)
	if s.image.size != s.guest.base.size {
		return 0, true, s.memory.load(s.image)
	}
	pages, err = s.memory.restore()
	return pages, err == nil, err
}

// close frees the slot. No call may be in progress in it.
func (s *slot) close() error {
	s.unload()
	s.system.Reset(nil, wasi.Limits{})
	err := s.instance.Close(context.Background())
	s.memory.close()
	return err
}
