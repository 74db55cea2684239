package sandbox

import (
	"errors"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// parkAfter is the shortest time for which a run leaves its slot: leaving it and continuing in another
// take about 150 µs of processor time.
const parkAfter = 10 * time.Millisecond

// parkedOverhead is the memory in bytes of a parked run beside its delta, its files and its output: the
// goroutine that waits for it, with its caller's.
const parkedOverhead = 64 * runtime.KiB

// parked is a run whose main waits and that has left its slot: all that there is of it, as data. The
// memory is relative to the image, which its owner holds.
type parked struct {
	call   call
	memory delta
	system *wasi.Parked
	stack  uint64 // the slot's global of that name
	ticks  uint64 // likewise
	size   int    // bytes of linear memory
}

// park takes the call in progress out of the slot, into the request, and leaves the slot as after a call
// that has ended. It does nothing if the memory has changed too much. It returns why the call must end,
// or an empty class.
func (s *slot) park(r *request) runtime.Class {
	s.memory.unwatch(true)
	stack := s.stack.Get()
	memory, ok, err := makeDelta(s.memory, s.image, stack, &s.guest.deltas, s)
	switch {
	case errors.Is(err, endOfRun{}):
		return s.call.endClass
	case err != nil || !ok:
		if err != nil {
			s.guest.log.Warn("a run that waits keeps its instance", "error", err)
		}
		s.memory.watch()
		return ""
	}
	c := &s.call
	system := s.system.Park() // returns a part of what was charged
	p := &parked{call: *c, memory: memory, system: system, stack: stack, ticks: s.ticks.Get(), size: s.image.size}
	p.call.stack, p.call.stackBytes = nativeStack{}, 0
	if c.logs == s.logs {
		s.logs = &runtime.LogBuffer{}
	}
	r.parked = p
	return ""
}

// resume continues a parked call in the slot, as invoke does.
func (s *slot) resume(r *request) (outcome runtime.Outcome, usable bool) {
	p := r.parked
	r.parked = nil
	s.call = p.call
	c := &s.call
	c.stack = s.stacks[opRun]
	s.system.Resume(p.system)
	s.connect(r)
	s.memory.setLimit(max(int(c.limits.Memory), s.image.size))
	s.memory.watch()
	err := p.memory.moveTo(s.memory.data(), &meter{pauser: s})
	s.stack.Set(p.stack)
	s.ticks.Set(p.ticks)
	params := [2]uint64{api.EncodeI32(pyguest.Resume)}
	if err == nil {
		err = s.run.CallWithStack(&s.host, params[:])
	}
	return s.settle(r, params[:], err)
}

// wait lets the run wait in its slot between two calls of the guest, and returns why the call must end, or
// an empty class.
func (s *slot) wait(d time.Duration) runtime.Class {
	if d <= 0 {
		_ = s.pause()
		return s.call.endClass
	}
	began := s.processors.now()
	class := s.sleep(d)
	s.system.Slept(s.processors.now().Sub(began))
	return class
}

// await waits until the parked call of a request can continue. Its claim then has a permit. If the call must
// end instead, await ends it, and returns its outcome.
func (s *Sandbox) await(c *claim, r *request) (outcome runtime.Outcome, ended bool, err error) {
	p := r.parked
	n := nap{timers: s.guest.timers, room: p.call.room, parked: true, patience: p.call.limits.Timeout}
	if n.room != nil {
		n.held = p.memory.size() + p.call.tmp + p.call.logs.Size() + parkedOverhead
	}
	class, err := s.processors.sleep(c, p.call.until.Sub(s.processors.now()), &n)
	if class == "" {
		return runtime.Outcome{}, false, nil
	}
	outcome = s.drop(r, class)
	if err != nil {
		outcome = runtime.Outcome{Logs: outcome.Logs}
	}
	return outcome, true, err
}

// drop ends the parked call of a request without running any of its code.
func (s *Sandbox) drop(r *request, class runtime.Class) runtime.Outcome {
	p := r.parked
	r.parked = nil
	p.memory.free()
	s.accounts.tmp.Add(-p.call.tmp)
	p.call.endClass = class
	outcome := runtime.Outcome{Failure: endFailure(&p.call), Logs: p.call.logs.End()}
	outcome.Usage.Memory = int64(p.size)
	return outcome
}
