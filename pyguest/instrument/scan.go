package instrument

import (
	"fmt"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// function is one defined function of the module.
type function struct {
	// index is the function index, which counts imported functions too.
	index           uint32
	params, results int
	code            wasmbin.Code

	// loops holds for every loop, in the order of their starts, whether it has a call inside.
	loops []bool
	// calls are the functions that are called directly and outside of loops.
	calls []uint32
	// tickOnEntry requests a tick at the start.
	tickOnEntry bool
}

func (f *function) wrap(err error) error {
	return fmt.Errorf("instrument: function %d: %w", f.index, err)
}

func (f *function) errorf(offset int, format string, args ...any) error {
	return fmt.Errorf("instrument: function %d, offset 0x%x: %s", f.index, offset, fmt.Sprintf(format, args...))
}

// maxLocals is the largest number of locals of a function, parameters included: the limit of the
// engines in browsers. It is far below the 2^32-1 of the specification, which adding some could
// exceed.
const maxLocals = 50_000

// scan reads the function once, to find its loops and calls and to refuse code that the
// instrumenter does not support.
func (f *function) scan(options Options) error {
	r := f.code.Reader()
	_, locals, err := r.Locals()
	if err != nil {
		return f.wrap(err)
	}
	if locals > maxLocals {
		return f.errorf(f.code.Offset, "%d locals are more than %d", locals, maxLocals)
	}
	blocks := []bool{false} // whether each open block is a loop; the first entry is the function itself
	var open []int          // indices of the open loops
	for len(blocks) > 0 {
		in, err := r.Instr()
		if err != nil {
			return f.wrap(err)
		}
		switch in.Op {
		case wasmbin.OpBlock, wasmbin.OpIf:
			blocks = append(blocks, false)
		case wasmbin.OpLoop:
			blocks = append(blocks, true)
			open = append(open, len(f.loops))
			f.loops = append(f.loops, false)
		case wasmbin.OpEnd:
			loop := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			if !loop {
				break
			}
			inner := open[len(open)-1]
			open = open[:len(open)-1]
			if len(open) > 0 && f.loops[inner] {
				f.loops[open[len(open)-1]] = true
			}
		case wasmbin.OpCall, wasmbin.OpCallIndirect:
			if len(open) > 0 {
				f.loops[open[len(open)-1]] = true
			} else if in.Op == wasmbin.OpCall {
				f.calls = append(f.calls, in.Index)
			}
		}
		if in.WritesTable() && !options.AllowTableWrites {
			return f.errorf(in.Offset, "opcode 0x%02x %d writes a table", in.Op, in.Sub)
		}
	}
	if r.Len() != 0 {
		return f.errorf(r.Offset(), "%d bytes after the end of the body", r.Len())
	}
	return nil
}
