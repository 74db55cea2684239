package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// baseSize is the size of the base image, in bytes. What Python does not use of
// it yet is free heap: a run that stays within it does not grow the memory, and
// a memory that has not grown can be restored. It is all there is to a function
// that asks for the least.
const baseSize = runtime.MinMemory

// bootTime bounds how long the interpreter may take to start.
const bootTime = time.Minute

// makeBase starts an interpreter and keeps its memory as the base image.
func (g *guest) makeBase(ctx context.Context, data []wasmbin.Segment, portable bool) error {
	m := newCopiedMemory(0, baseSize)
	m.buf = make([]byte, 0, baseSize)
	var tmp atomic.Int64
	s, err := g.instantiate(ctx, m, newPlaces(1, time.Now), &tmp)
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
	s.call = call{ctx: ctx, deadline: time.Now().Add(bootTime)}
	s.logs.Reset(runtime.DefaultLogs)
	s.call.logs = &s.logs
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
		// malloc takes a little more than it is asked for.
		const slack = 2 * wasmPage
		_, err = s.boot(exportPregrow, uint64(baseSize-m.size-slack))
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, s.logs.End().Data)
	}
	if s.stack.Get() != stack {
		return errors.New("the guest's stack is not balanced")
	}
	if said := s.logs.End().Data; len(said) > 0 {
		return fmt.Errorf("the interpreter complained as it started: %s", said)
	}
	return g.keepBase(m.data(), stack, portable)
}

// boot calls an exported function of the interpreter that is being started.
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

// keepBase makes the base image of a memory.
func (g *guest) keepBase(mem []byte, stack uint64, portable bool) error {
	if len(mem) == 0 || len(mem) > math.MaxInt32 || stack >= uint64(len(mem)) {
		return errors.New("the guest's memory is empty or too large")
	}
	// The C stack grows down from the stack pointer to address 0. What calls
	// that have returned left there is of no use to anyone.
	clear(mem[:stack])
	start := int(stack) / pageSize * pageSize
	free, end := freeHeap(mem, start)
	content := mem[start:free]
	base := &baseImage{start: start, size: len(mem), stack: stack}
	g.base = base
	if !portable {
		if err := base.prepareMapping(content); err == nil {
			g.mapped = true
		} else {
			base.closeMapping()
			g.log.Warn("memory cannot be restored page by page on this system; each run copies all of it, which is slower", "reason", err)
		}
	}
	if !g.mapped {
		base.view = slices.Clone(content)
	}
	var err error
	g.bare, err = newImage(base, nil, &tailOf{copiedMemory{buf: mem}, end}, nil)
	return err
}

// tailOf is a memory that has been written to from an offset on alone.
type tailOf struct {
	copiedMemory
	from int
}

func (m *tailOf) dirty(f func(start, end int)) error {
	f(m.from, len(m.buf))
	return nil
}

// freeHeap finds the free heap: the longest stretch of zero pages behind from.
// Behind it there is only the mark that malloc keeps at the heap's end.
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
