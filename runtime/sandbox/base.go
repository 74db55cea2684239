package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// baseSize is the size of the base image in bytes. The part that Python does not use yet is free
// heap: a run that stays within it does not grow the memory, and only a memory that has not grown
// can be restored. A function with the smallest memory limit has nothing beyond it.
const baseSize = runtime.MinMemory

// bootTime is the longest time that the interpreter may take to start.
const bootTime = time.Minute

// makeBase starts an interpreter and stores its memory as the base image.
func (g *guest) makeBase(ctx context.Context, data []wasmbin.Segment, portable bool) error {
	m := newCopiedMemory(0, baseSize)
	m.buf = make([]byte, 0, baseSize)
	p := newProcessors(1, time.Now)
	s, err := g.instantiate(ctx, m, p, openAccounts(memory.New(baseSize, g.log), nil, nil, nil))
	if err != nil {
		return err
	}
	defer s.instance.Close(ctx)
	for _, seg := range data {
		if uint64(seg.Offset)+uint64(len(seg.Bytes)) > uint64(m.size) {
			return errors.New("the guest's initial data does not fit its memory")
		}
		copy(m.buf[seg.Offset:], seg.Bytes)
	}
	s.host.Context = ctx
	s.claim = claim{ctx: ctx, deadline: time.Now().Add(bootTime)}
	p.acquire(&s.claim)
	s.logs.Reset(runtime.DefaultLogs)
	s.call.logs = s.logs
	s.system.Reset(nil, wasi.Limits{})
	stack := s.stack.Get()

	version, err := s.boot(exportVersion)
	if err == nil && version != pyguest.Protocol {
		return fmt.Errorf("the guest speaks protocol %d, this host %d: they were not built together", version, pyguest.Protocol)
	}
	for _, step := range []string{exportStart, exportInit, exportBoot} {
		if err == nil {
			_, err = s.boot(step)
		}
	}
	if err == nil {
		// malloc needs a little more than the size that is requested.
		const slack = 2 * wasmPage
		_, err = s.boot(exportPregrow, uint64(baseSize-m.size-slack))
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, s.logs.End().Data)
	}
	if s.stack.Get() != stack {
		return errors.New("the guest's stack is not balanced")
	}
	if output := s.logs.End().Data; len(output) > 0 {
		return fmt.Errorf("the interpreter printed while it started: %s", output)
	}
	return g.setBase(m.data(), stack, portable)
}

// boot calls an exported function of the interpreter that is starting.
func (s *slot) boot(name string, params ...uint64) (int32, error) {
	fn := s.instance.ExportedFunction(name)
	if fn == nil {
		return 0, fmt.Errorf("the guest does not export %s", name)
	}
	results, err := fn.Call(&s.host, params...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	status := int32(results[0])
	if status < 0 {
		return status, fmt.Errorf("%s failed with status %d", name, status)
	}
	return status, nil
}

// setBase creates the base image and the bare image from the memory of a started interpreter.
func (g *guest) setBase(mem []byte, stack uint64, portable bool) error {
	if len(mem) == 0 || len(mem) > math.MaxInt32 || stack >= uint64(len(mem)) {
		return errors.New("the guest's memory is empty or too large")
	}
	// The C stack grows down from the stack pointer to address 0. Clear what returned calls left
	// there: nothing reads it any more.
	clear(mem[:stack])
	start := int(stack) / pageSize * pageSize
	free, end := freeHeap(mem, start)
	view := mem[start:free]
	base := &baseImage{start: start, size: len(mem), stack: stack}
	g.base = base
	if !portable {
		if err := base.prepareMapping(view); err == nil {
			g.mapped = true
		} else {
			base.closeMapping()
			g.log.Warn("memory cannot be restored page by page on this system; each run copies all of it, which is slower", "reason", err)
		}
	}
	if !g.mapped {
		base.view = slices.Clone(view)
	}
	tail := &tailMemory{copiedMemory{buf: mem}, end}
	pages, err := findPages(base, nil, tail, noPause{})
	if err != nil {
		return err
	}
	l, err := layoutOf(base, mem, pages, false, noPause{})
	if err != nil {
		return err
	}
	data, err := newPages(l.bytes() / pageSize)
	if err == nil {
		g.bare, err = newImage(base, tail, l, content{data: data}, nil, noPause{})
	}
	return err
}

// noPause is the pauser of work that nobody waits behind.
type noPause struct{}

func (noPause) pause() error { return nil }

// tailMemory is a memory that was written only from one offset on.
type tailMemory struct {
	copiedMemory
	from int
}

func (m *tailMemory) dirty(f func(start, end int)) error {
	f(m.from, len(m.buf))
	return nil
}

// freeHeap returns the bounds of the free heap: the longest stretch of zero pages after from. Only
// the marker that malloc places at the end of the heap follows it.
func freeHeap(mem []byte, from int) (start, end int) {
	start, end = len(mem), len(mem)
	for at := from; at < len(mem); {
		zero := at
		for zero < len(mem) && bytes.Equal(mem[zero:zero+pageSize], zeroPage[:]) {
			zero += pageSize
		}
		if zero-at > end-start {
			start, end = at, zero
		}
		at = zero + pageSize
	}
	return start, end
}
