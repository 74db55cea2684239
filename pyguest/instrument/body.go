package instrument

import "github.com/faaspot/faaspot/pyguest/wasmbin"

// rewriter writes the new body of one function.
type rewriter struct {
	*ticker
	*function
	stats *Stats

	// r reads the old body; the current instruction starts at before.
	r      *wasmbin.Reader
	before int
	// out is the new code. It contains the old body up to copied, without the local declarations.
	out    asm
	copied int
	// depth holds for every open block of the old body the number of loops among the blocks up to
	// it. bare holds whether a branch to its label certainly takes no values.
	depth []uint32
	bare  []bool
	// seen is the number of loops read so far.
	seen int
	// calling and leaf are the counters of loops with calls and of those without. Added locals are
	// numbered from nextLocal.
	calling, leaf counter
	nextLocal     uint32
}

// counter is a local that counts the iterations of loops.
type counter struct {
	local  uint32
	used   bool
	stride uint32
	// spend is the added function that spends a stride of ticks.
	spend uint32
}

// rewrite returns the function's new body, or the old one if nothing had to be added. The function
// must have been scanned.
func (t *ticker) rewrite(f *function, stats *Stats) ([]byte, error) {
	w := rewriter{ticker: t, function: f, stats: stats, r: f.code.Reader(), depth: []uint32{0}, bare: []bool{f.results == 0}}
	groups, locals, err := w.r.Locals()
	if err != nil {
		return nil, f.wrap(err)
	}
	declarations := f.code.Body[:w.r.Pos()]
	w.copied = w.r.Pos()
	oldLocals := uint64(f.params) + locals
	w.nextLocal = uint32(oldLocals)
	w.calling = counter{stride: t.options.LoopStride, spend: t.stride}
	w.leaf = counter{stride: t.options.LeafStride, spend: t.leafStride}
	if f.tickOnEntry {
		t.spendOne(&w.out)
		stats.Entries++
	}
	for len(w.depth) > 0 {
		w.before = w.r.Pos()
		in, err := w.r.Instr()
		if err == nil {
			err = w.instr(in)
		}
		if err != nil {
			return nil, f.wrap(err)
		}
	}
	if len(w.out) == 0 {
		return f.code.Body, nil
	}
	w.flush(w.r.Pos())
	stats.Changed++
	added := w.nextLocal - uint32(oldLocals)
	if oldLocals+uint64(added) > maxLocals {
		return nil, f.errorf(f.code.Offset, "%d parameters and locals and %d added ones are more than %d", oldLocals, added, maxLocals)
	}
	return withLocals(declarations, groups, added, w.out), nil
}

// withLocals returns a function body: declarations, n more locals of type i32, and code.
func withLocals(declarations []byte, groups, n uint32, code []byte) []byte {
	if n == 0 {
		return append(append([]byte{}, declarations...), code...)
	}
	count := wasmbin.NewReader(declarations, 0)
	if _, err := count.Uint32(); err != nil {
		panic(err) // the declarations have been read before
	}
	body := wasmbin.AppendUint32(nil, groups+1)
	body = append(body, declarations[count.Pos():]...)
	body = append(wasmbin.AppendUint32(body, n), wasmbin.TypeI32)
	return append(body, code...)
}

// flush copies the old body up to a position.
func (w *rewriter) flush(to int) {
	w.out = append(w.out, w.code.Body[w.copied:to]...)
	w.copied = to
}

// replace writes a call instead of the current instruction.
func (w *rewriter) replace(function uint32) {
	w.flush(w.before)
	w.out.call(function)
	w.copied = w.r.Pos()
}

func (w *rewriter) instr(in wasmbin.Instr) error {
	loops := w.depth[len(w.depth)-1]
	switch in.Op {
	case wasmbin.OpBlock, wasmbin.OpIf:
		w.depth, w.bare = append(w.depth, loops), append(w.bare, w.takesNothing(in.Op))
	case wasmbin.OpLoop:
		w.startLoop(loops == 0)
		w.depth, w.bare = append(w.depth, loops+1), append(w.bare, w.takesNothing(in.Op))
	case wasmbin.OpEnd:
		w.depth, w.bare = w.depth[:len(w.depth)-1], w.bare[:len(w.bare)-1]
		if len(w.depth) > 0 && w.depth[len(w.depth)-1] < loops {
			w.flush(w.r.Pos())
			w.out.end() // of the block around the loop
		}
	case wasmbin.OpBrIf:
		w.flush(w.before)
		w.branchIf(w.label(in.Index), uint64(in.Index) < uint64(len(w.bare)) && w.bare[len(w.bare)-1-int(in.Index)])
		w.copied = w.r.Pos()
	case wasmbin.OpBr:
		if label := w.label(in.Index); label != in.Index {
			w.flush(w.before)
			w.out.index(in.Op, label)
			w.copied = w.r.Pos()
		}
	case wasmbin.OpBrTable:
		if loops > 0 {
			return w.branchTable()
		}
	case wasmbin.OpCallIndirect:
		if loops == 0 && !w.tickOnEntry {
			w.flush(w.before)
			w.spendOne(&w.out)
			w.stats.IndirectCalls++
		}
	case wasmbin.OpMiscPrefix:
		switch in.Sub {
		case wasmbin.MiscMemoryCopy:
			w.replace(w.copy)
			w.stats.Copies++
		case wasmbin.MiscMemoryFill:
			w.replace(w.fill)
			w.stats.Fills++
		}
	}
	return nil
}

// label translates a branch label. Each loop has a block around it, so a branch that leaves loops
// counts one more label for each of them; a branch back to the start of a loop does not leave that
// loop. A label beyond the function, which no valid module has, stays beyond it.
func (w *rewriter) label(old uint32) uint32 {
	if uint64(old) >= uint64(len(w.depth)) {
		return old + w.depth[len(w.depth)-1]
	}
	target := len(w.depth) - 1 - int(old)
	return old + w.depth[len(w.depth)-1] - w.depth[target]
}

// takesNothing reports whether the current instruction, of the given opcode, starts a block to
// whose label branches take no values. It returns false for blocks with types by index.
func (w *rewriter) takesNothing(op byte) bool {
	t := w.code.Body[w.before+1]
	return t == wasmbin.TypeEmpty || op == wasmbin.OpLoop && t > wasmbin.TypeEmpty && t < 0x80
}

// branchIf writes a conditional branch; if bare, as an unconditional one in an if (see the
// documentation of the package).
func (w *rewriter) branchIf(label uint32, bare bool) {
	if !bare {
		w.out.index(wasmbin.OpBrIf, label)
		return
	}
	w.stats.Branches++
	w.out.ifThen()
	w.out.index(wasmbin.OpBr, label+1)
	w.out.end()
}

func (w *rewriter) branchTable() error {
	w.flush(w.before)
	old := wasmbin.NewReader(w.code.Body[w.before:w.r.Pos()], w.code.Offset+w.before)
	if _, err := old.Byte(); err != nil {
		return err
	}
	n, err := old.Uint32()
	if err != nil {
		return err
	}
	w.out.index(wasmbin.OpBrTable, n)
	for range uint64(n) + 1 {
		label, err := old.Uint32()
		if err != nil {
			return err
		}
		w.out.uint32(w.label(label))
	}
	w.copied = w.r.Pos()
	return nil
}

// startLoop writes the current instruction, a loop, as two nested loops of the same type. The inner
// one contains the body:
//
//	loop                         ; once per stride
//	  if counter == stride
//	    spend a stride of ticks
//	    counter = 0
//	  end
//	  loop                       ; the original loop
//	    counter += 1
//	    if counter == stride, br to the outer loop
//	    body
//
// Starting the outer loop again has the same effect as starting the inner one, since at its head
// all state is in locals and on the stack, whose top are the parameters of both. The call is
// outside the inner loop: there a full stride costs an addition and a branch that is not taken, and
// no register has to survive a call.
func (w *rewriter) startLoop(outermost bool) {
	calls := w.loops[w.seen]
	w.seen++
	w.stats.Loops++
	c := &w.leaf
	if calls {
		c = &w.calling
	}
	if !c.used {
		c.used = true
		c.local = w.nextLocal
		w.nextLocal++
	}
	w.flush(w.before)
	a := &w.out
	switch {
	case outermost && calls:
		w.spendOne(a)
		w.stats.LoopEntries++
		// The counter starts at the low bits of the remaining ticks, not at 0. A loop that is
		// entered often and left after a few iterations then spends a stride as often as one that
		// runs on, as if it had kept its counter.
		a.getGlobal(w.ticks)
		a.i32(int32(c.stride - 1))
		a.op(wasmbin.OpI32And)
		a.set(c.local)
	case outermost:
		a.i32(0)
		a.set(c.local)
	}
	header := w.code.Body[w.before:w.r.Pos()]
	a.op(header...)
	w.full(c)
	a.ifThen()
	a.call(c.spend)
	a.i32(0)
	a.set(c.local)
	a.end()
	a.op(header...)
	w.copied = w.r.Pos()
	a.get(c.local)
	a.i32(1)
	a.op(wasmbin.OpI32Add)
	a.set(c.local)
	w.full(c)
	w.branchIf(1, w.takesNothing(wasmbin.OpLoop))
}

// full pushes whether the counter has reached its stride.
func (w *rewriter) full(c *counter) {
	w.out.get(c.local)
	w.out.i32(int32(c.stride))
	w.out.op(wasmbin.OpI32Eq)
}
