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

// slot is an instance of the guest that serves one run after the other. Its
// memory is put back to the image after each, and laid anew when the image
// changes. One goroutine at a time.
type slot struct {
	guest  *guest
	places *places
	tmp    *atomic.Int64 // bytes that /tmp of all slots may still take

	instance api.Module
	memory   memory
	system   *wasi.System
	stack    api.MutableGlobal
	ticks    api.MutableGlobal // the instrumenter's
	ticks0   uint64            // what ticks is at first
	compile  api.Function
	deploy   api.Function
	run      api.Function

	image  *image // what the memory is laid out as; nil: must be laid before use
	tenant runtime.Tenant
	call   call
	logs   runtime.LogBuffer // of calls that come without one
	turn   turn
	host   hostContext

	hashers hashers
}

// call is what one call into the guest has and leaves.
type call struct {
	op       operation
	ctx      context.Context
	deadline time.Time
	input    [pyguest.OpContext + 1][]byte // by operation
	result   []byte
	failure  []byte
	answered bool          // result or failure was given: the first counts
	ended    runtime.Class // why the host ended the run; empty if it did not
	exitCode int
	logs     *runtime.LogBuffer
	hashed   uint32 // bytes, since the last checkpoint for them
}

// ended is what the host panics with to end a run; wazero turns it into the
// call's error. Why is in call.ended.
type ended struct{}

func (ended) Error() string { return "the run was ended" }

// hostContext tells host functions which slot calls them. It is a context
// because that is what wazero hands from a call to host functions.
type hostContext struct {
	context.Context
	slot *slot
}

// slotOf gives the slot that a host function was called by.
func slotOf(ctx context.Context) *slot { return ctx.(*hostContext).slot }

func (s *slot) end(class runtime.Class) {
	s.call.ended = class
	panic(ended{})
}

// Checkpoint ends the run if its time is up or it was cancelled, and lets
// others have their turn. It implements wasi.Control.
func (s *slot) Checkpoint() {
	s.memory.unwatch(false) // it may go on on another thread
	now := s.places.checkpoint(&s.turn)
	if !now.Before(s.call.deadline) {
		s.end(runtime.ClassTimeout)
	}
	if s.call.ctx.Err() != nil {
		s.end(runtime.ClassCancelled)
	}
}

// Sleep implements wasi.Control. A run that sleeps gives its place to others.
func (s *slot) Sleep(d time.Duration) {
	s.memory.unwatch(false)
	left := time.Until(s.call.deadline)
	timer := time.NewTimer(min(d, max(left, 0)))
	defer timer.Stop()
	s.places.give()
	select {
	case <-timer.C:
	case <-s.call.ctx.Done():
	}
	s.places.take(&s.turn)
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
	if s.tmp.Add(-n) < 0 && n > 0 {
		s.tmp.Add(n)
		return false
	}
	return true
}

// transfer is the host's side of faas.call(op, request, request_len, response,
// response_cap): the one door besides WASI. It answers the number of bytes it
// wrote, or -1. Everything the guest passes is taken for hostile.
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
			// One byte over the limit is enough to know that it is over.
			c.result = append([]byte(nil), p[:min(len(p), c.op.maxResult()+1)]...)
		} else {
			c.failure = append([]byte(nil), p[:min(len(p), maxFailure)]...)
		}
		return 0
	}
	return refused
}

// slice gives a range of the guest's memory, if it is one.
func (s *slot) slice(at, n uint32) ([]byte, bool) {
	mem := s.memory.data()
	if end := uint64(at) + uint64(n); end > uint64(len(mem)) {
		return nil, false
	}
	return mem[at : uint64(at)+uint64(n)], true
}

// operation is what a slot is asked to do.
type operation uint8

const (
	opRun     operation = iota // inputs: args, context; result: JSON
	opCompile                  // inputs: name, source; result: code
	opDeploy                   // inputs: name, source, code; result: null
)

// maxCode is how many bytes of code a function's source may compile to.
const maxCode = 32 * runtime.MiB

func (op operation) maxResult() int {
	if op == opCompile {
		return maxCode
	}
	return runtime.MaxResult
}

// request is a call to be made.
type request struct {
	op       operation
	inputs   [3][]byte // as many as the operation has
	deadline time.Time
	limits   runtime.Limits
	logs     *runtime.LogBuffer // nil: the slot's own
}

// prepare makes the slot ready to run from an image, for a tenant. The slot
// becomes a holder of the image. Another image of the same tenant takes the
// place of the one before page by page; another tenant gets a memory of which
// every page is new.
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
	s.forget()
	if grow := img.size - len(s.memory.data()); grow > 0 {
		s.memory.setLimit(img.size)
		if _, ok := s.instance.Memory().Grow(uint32(grow / wasmPage)); !ok {
			return fmt.Errorf("growing a slot's memory to %d bytes", img.size)
		}
	}
	if err := s.memory.lay(img); err != nil {
		return err
	}
	s.image, s.tenant = img.retain(), tenant
	return nil
}

// forget makes the slot lay its next image anew.
func (s *slot) forget() {
	if s.image != nil {
		s.image.release()
		s.image = nil
	}
}

// invoke makes a call from the image that the slot was prepared for. The caller
// holds a place. Afterwards the memory is as the call left it.
func (s *slot) invoke(ctx context.Context, r request) (outcome runtime.Outcome, usable bool) {
	start := s.places.now()
	c := &s.call
	*c = call{op: r.op, ctx: ctx, deadline: r.deadline}
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
	defer s.memory.unwatch(false) // in case of a panic; else it is over by then
	err := fn.CallWithStack(&s.host, params[:n])
	s.memory.unwatch(true)
	outcome = s.outcome(int32(params[0]), err)
	outcome.Logs = c.logs.End()
	outcome.Usage.Memory = int64(len(s.memory.data()))
	outcome.Usage.Duration = s.places.now().Sub(start)
	if outcome.Usage.Duration > longCall {
		s.bind()
	}
	c.ctx, c.input, c.logs = nil, [len(c.input)][]byte{}, nil
	s.logs.Reset(0)
	return outcome, err == nil
}

// longCall is how long a call may take before its native stack, which grows to
// up to 84 MB and never shrinks, is not kept for the next one. What returns
// sooner has had no time to grow it beyond some hundred KiB.
const longCall = 5 * time.Millisecond

// bind makes the functions that calls go through, each with a new native stack.
func (s *slot) bind() {
	s.compile = s.instance.ExportedFunction(exportCompile)
	s.deploy = s.instance.ExportedFunction(exportDeploy)
	s.run = s.instance.ExportedFunction(exportRun)
}

// restore puts the slot back to its image. A slot that cannot be put back
// exactly, as its memory has grown, is not usable any more.
func (s *slot) restore() (pages int, usable bool, err error) {
	s.system.Reset(nil, wasi.Limits{})
	if len(s.memory.data()) != s.image.size {
		return 0, false, nil
	}
	s.stack.Set(s.guest.base.stack)
	s.ticks.Set(s.ticks0)
	if s.image.size != s.guest.base.size {
		return 0, true, s.memory.lay(s.image)
	}
	pages, err = s.memory.restore()
	return pages, err == nil, err
}

// close frees the slot. No call may be under way in it.
func (s *slot) close() error {
	s.forget()
	s.system.Reset(nil, wasi.Limits{})
	err := s.instance.Close(context.Background())
	s.memory.close()
	return err
}
