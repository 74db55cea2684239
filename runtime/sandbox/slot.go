package sandbox

import (
	"context"
	"fmt"
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
	accounts   *accounts // what the calls take beyond their reservations

	instance     api.Module
	memory       guestMemory
	system       *wasi.System
	stack        api.MutableGlobal
	ticks        api.MutableGlobal // the instrumenter's counter
	initialTicks uint64            // value of ticks after instantiation
	compile      api.Function
	deploy       api.Function
	run          api.Function
	stacks       [operations]nativeStack // of the functions

	image  *image // loaded image; nil: an image must be loaded before use
	tenant runtime.Tenant
	call   call
	logs   *runtime.LogBuffer // for calls that bring no buffer
	claim  claim
	host   hostContext

	reserved int // bytes of addresses of the memory: it can grow to them
	hashers  hashers
	idle     int64              // bytes that it keeps while it is in the pool
	charged  int64              // bytes taken for it since it was put into the pool
	keeper   *runtime.TenantUse // which counts them; nil: none does
	isSpare  bool               // it is in the pool, and not charged
	hits     int                // how often in a row it was taken for the image that it had loaded
	put      int                // number of the call that put it into the pool
	links    [links]slotLink
}

// call is the state of one call into the guest.
type call struct {
	op          operation
	limits      runtime.Limits
	input       [pyguest.OpContext + 1][]byte // by operation, until the guest has read it: once
	result      []byte
	failure     []byte
	answered    bool          // the guest has sent a result or a failure; only the first counts
	endClass    runtime.Class // why the host ended the run; empty if it did not
	exitCode    int
	logs        *runtime.LogBuffer
	hashed      uint32 // bytes hashed since the last checkpoint
	stack       nativeStack
	stackBytes  int64 // bytes taken for the native stack
	resultBytes int64 // bytes counted for the result
	tmp         int64 // bytes of host memory for /tmp and pairs of sockets
	room        runtime.Room
	slept       time.Duration // since the memory was lent last
	waits       bool          // the guest has said what it waits for
	wait        time.Duration // how long that is, at most
	until       time.Time     // and when it ends
	info        runInfo
	platform    error // why the platform cannot let the call go on
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

// end ends the call from inside of a host function.
func (s *slot) end(class runtime.Class) {
	s.call.endClass = class
	panic(endOfRun{})
}

// Checkpoint ends the run if its deadline has passed or it was cancelled, and lets other runs
// compute. It implements wasi.Control.
func (s *slot) Checkpoint() {
	s.memory.unwatch(false) // the run may continue on another thread
	s.checkStack()
	if class := s.yield(); class != "" {
		s.end(class)
	}
}

// checkStack ends the call if the memory budget has no room for its native stack.
func (s *slot) checkStack() {
	if s.takeStack() {
		return
	}
	if class := s.stopped(s.processors.now()); class != "" {
		s.end(class)
	}
	s.end(runtime.ClassStack)
}

// pause is a checkpoint of the work that the host does for the call outside of the guest. It
// implements pauser; the error is endOfRun.
func (s *slot) pause() error {
	s.memory.unwatch(false)
	if s.call.endClass = s.yield(); s.call.endClass != "" {
		return endOfRun{}
	}
	return nil
}

// yield lets other runs compute, and returns why the call must end, or an empty class. If it must,
// the slot may have no permit any more.
func (s *slot) yield() runtime.Class { return s.stopped(s.processors.checkpoint(&s.claim)) }

// stopped returns why the call must end at a time, or an empty class.
func (s *slot) stopped(now time.Time) runtime.Class { return s.claim.stopped(now) }

// lendAfter is the time after which a run that sleeps lends the memory that it does not hold: sleeps
// that are shorter add up.
const lendAfter = time.Millisecond

// Sleep implements wasi.Control. A sleeping run releases its permit to compute, and lends memory.
func (s *slot) Sleep(d time.Duration) {
	s.checkStack()
	if class := s.sleep(d); class != "" {
		s.end(class)
	}
}

// sleep lets the run sleep in its slot, and returns why the call must end, or an empty class.
func (s *slot) sleep(d time.Duration) runtime.Class {
	s.memory.pause()
	c := &s.call
	n := nap{timers: s.guest.timers, patience: c.limits.Timeout}
	if c.room != nil && c.slept+d >= lendAfter {
		n.room, n.held = c.room, s.held()
	}
	began := s.processors.now()
	class, err := s.processors.sleep(&s.claim, d, &n)
	if c.slept += s.processors.now().Sub(began); n.room != nil {
		c.slept = 0
	}
	if class == "" {
		s.memory.resume()
	}
	c.platform = err
	return class
}

// held returns the number of bytes that the run takes while it waits, or more.
func (s *slot) held() int64 {
	c := &s.call
	stack, _ := c.stack.size()
	return s.memory.held() + c.tmp + stack - c.stackBytes + c.logs.Size() + idleOverhead
}

// Exit implements wasi.Control.
func (s *slot) Exit(code uint32) {
	s.call.exitCode = int(code & 0xff)
	s.end(runtime.ClassExited)
}

// Log implements wasi.Control.
func (s *slot) Log(stream int, p []byte) { s.call.logs.Append(uint8(stream), p) }

// Execution implements wasi.Control.
func (s *slot) Execution() []byte {
	if s.call.op != opRun || s.call.info.Execution == "" {
		return nil
	}
	return s.call.info.render(s.claim.deadline)
}

// tmpSlack is the number of bytes by which the host memory of a run's /tmp may exceed the limit of
// its content: the lists of blocks and some inodes. RunOverhead covers it.
const tmpSlack = 256 * runtime.KiB

// Charge implements wasi.Control. The run has reserved the memory of its /tmp, so what other runs
// have there does not matter.
func (s *slot) Charge(n int64) bool {
	c := &s.call
	if n > 0 && c.tmp+n > c.limits.Tmp+tmpSlack {
		return false
	}
	c.tmp += n
	s.accounts.tmp.Add(n)
	return true
}

// operation is the kind of a call into the guest.
type operation uint8

const (
	opRun     operation = iota // inputs: args, context; result: JSON
	opCompile                  // inputs: name, source; result: code
	opDeploy                   // inputs: name, source, code; result: null
	operations
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
	inputs   [3][]byte // as many as the operation has; invoke takes them out
	entered  time.Time // when Run was called
	built    bool      // the image was built since
	called   time.Time // when the guest was; zero: it was not
	started  time.Time // when the work for the call began; zero: when it gets its permit
	deadline time.Time
	limits   runtime.Limits
	files    *wasi.State        // nil: those of the image
	logs     *runtime.LogBuffer // nil: the slot's own buffer
	room     runtime.Room       // nil: the call keeps all of its memory while it waits
	network  runtime.Network    // nil: the call reaches nothing
	info     runInfo
	parks    bool    // the call may leave the slot while it waits
	parked   *parked // the call that has left its slot, and is to continue; nil: it is to be made

	postponed bool // runs of the program have a network
}

// start sets how long a run took to start.
func (r *request) start(u *runtime.Usage) {
	if !r.called.IsZero() {
		u.Start = r.called.Sub(r.entered)
	}
	u.Built = r.built
}

// prepare makes the slot ready to run from an image, for a tenant. Its memory must be able to grow
// to the size of the image, and to the limit of the run. The slot becomes a holder of the image.
// Another image of the same tenant replaces the present one page by page; another tenant gets a
// memory with only fresh pages.
//
// The work counts for the call. An error endOfRun means that the call had to end before it was
// done; then, as after any error, the slot must be closed.
func (s *slot) prepare(img *image, tenant runtime.Tenant) error {
	if s.image == img && s.tenant == tenant {
		return nil
	}
	if s.image != nil && s.tenant == tenant && s.image.size == img.size && len(s.image.pages) <= restoreLimit {
		if err := s.memory.swap(img, s); err != nil {
			return err
		}
		s.image.release()
		s.image = img.retain()
		return nil
	}
	if len(img.pages) > restoreLimit {
		s.claim.worn = true // loading takes long: shorter runs go first
	}
	s.unload()
	if grow := img.size - len(s.memory.data()); grow > 0 {
		s.memory.setLimit(img.size)
		if _, ok := s.instance.Memory().Grow(uint32(grow / wasmPage)); !ok {
			return fmt.Errorf("growing a slot's memory to %d bytes", img.size)
		}
	}
	if err := s.memory.load(img, s); err != nil {
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

// invoke makes a call from the image that the slot was prepared for, or continues the one that has left
// its slot. The caller holds a permit to compute. Afterwards the memory is as the call left it. usable
// is false if the guest did not end by returning; then the slot may have no permit any more. If the
// request has a call that has left its slot afterwards, there is no outcome yet.
//
// Nothing in the sandbox refers to an input that the guest has read, so that the args of runs that
// sleep do not stay on Go's heap.
func (s *slot) invoke(ctx context.Context, r *request) (outcome runtime.Outcome, usable bool) {
	s.host.Context = ctx
	defer s.endCall()
	if r.parked != nil {
		return s.resume(r)
	}
	s.claim.ctx, s.claim.deadline = ctx, r.deadline
	fn, stack, first, n := s.run, s.stacks[opRun], pyguest.OpArgs, 2
	switch r.op {
	case opCompile:
		fn, stack, first = s.compile, s.stacks[opCompile], pyguest.OpName
	case opDeploy:
		fn, stack, first, n = s.deploy, s.stacks[opDeploy], pyguest.OpName, 3
	}
	c := &s.call
	*c = call{op: r.op, limits: r.limits, stack: stack, room: r.room, info: r.info}
	if c.logs = r.logs; c.logs == nil {
		s.logs.Reset(r.limits.Logs)
		c.logs = s.logs
	}
	var params [3]uint64
	for i := range n {
		c.input[first+i] = r.inputs[i]
		params[i] = uint64(len(r.inputs[i]))
	}
	r.inputs = [3][]byte{}
	s.memory.setLimit(max(int(r.limits.Memory), s.image.size))
	files := s.image.files
	if r.files != nil {
		files = r.files
		c.limits.Tmp -= files.Size() // it takes memory that the run has reserved
	}
	s.system.Reset(files, wasi.Limits{OpenFiles: r.limits.OpenFiles, TmpBytes: r.limits.Tmp})

	s.connect(r)
	s.memory.watch()
	if r.op == opRun {
		r.called = s.processors.now()
	}
	err := fn.CallWithStack(&s.host, params[:n])
	return s.settle(r, params[:2], err)
}

// connect gives the call its network.
func (s *slot) connect(r *request) {
	s.system.Connect(r.network)
	if r.postponed {
		s.system.Postpone()
	}
}

// settle returns the outcome of a call of the guest that has returned its status in params, after it has
// waited as often as the run waits.
func (s *slot) settle(r *request, params []uint64, err error) (outcome runtime.Outcome, usable bool) {
	c := &s.call
	for err == nil && c.waits && int32(params[0]) == pyguest.Waits {
		c.waits = false
		if c.wait >= parkAfter && r.parks && !s.system.Connected() {
			if c.endClass = s.park(r); r.parked != nil {
				return runtime.Outcome{}, true
			}
		}
		if c.endClass == "" {
			c.endClass = s.wait(c.until.Sub(s.processors.now()))
		}
		if c.endClass != "" {
			err = endOfRun{}
			break
		}
		params[0], params[1] = api.EncodeI32(pyguest.Resume), 0
		err = s.run.CallWithStack(&s.host, params)
	}
	s.memory.unwatch(true)
	outcome = s.outcome(int32(params[0]), err)
	outcome.Logs = c.logs.End()
	outcome.Usage.Memory = int64(len(s.memory.data()))
	return outcome, err == nil
}

// endCall releases what the call in progress holds beside the memory, also after a panic.
func (s *slot) endCall() {
	c := &s.call
	s.memory.unwatch(false) // for a panic; otherwise this does nothing
	s.system.Disconnect()
	s.freeStack()
	if c.resultBytes > 0 {
		s.accounts.results.Give(c.resultBytes)
		c.resultBytes = 0
	}
	s.host.Context = noCall
	c.input, c.logs, c.result, c.failure, c.room = [len(c.input)][]byte{}, nil, nil, nil, nil
	s.logs.Reset(0)
}

// bind looks up the functions that calls use. Each lookup brings a new native stack.
func (s *slot) bind() {
	s.compile = s.instance.ExportedFunction(exportCompile)
	s.deploy = s.instance.ExportedFunction(exportDeploy)
	s.run = s.instance.ExportedFunction(exportRun)
	s.stacks = [...]nativeStack{opRun: stackOf(s.run), opCompile: stackOf(s.compile), opDeploy: stackOf(s.deploy)}
}

// rewind resets the part of the slot's state that is not in its memory.
func (s *slot) rewind() {
	s.system.Reset(nil, wasi.Limits{})
	s.stack.Set(s.guest.base.stack)
	s.ticks.Set(s.initialTicks)
}

// restore resets the slot to its image, and returns the number of pages that were written. If an
// image was made of its memory, the slot has no image afterwards, and its memory must be dropped. A
// slot that cannot be restored exactly, because its memory has grown, is no longer usable.
func (s *slot) restore() (pages int, usable bool, err error) {
	s.rewind()
	if len(s.memory.data()) != s.image.size {
		return 0, false, nil
	}
	pages, restored, err := s.memory.restore(s)
	if err != nil {
		return pages, false, err
	}
	s.idle = idleOverhead
	if restored {
		kept := len(s.image.pages)
		if pages <= restoreLimit { // more were dropped
			kept += pages
		}
		s.idle += int64(kept) * pageSize
	} else {
		s.unload()
	}
	return pages, true, nil
}

// close frees the slot. No call may be in progress in it.
func (s *slot) close() error {
	s.unload()
	s.rewind()
	err := s.instance.Close(context.Background())
	s.memory.close()
	return err
}
