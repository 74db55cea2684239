package instrument

import "github.com/faaspot/faaspot/pyguest/wasmbin"

// Costs and sizes of bulk operations.
const (
	// freeBytes is the size up to which a copy or fill spends nothing: it counts as part of the
	// iteration around it.
	freeBytes = 256
	// smallBytes is the size up to which loads and stores replace the instruction: wazero calls a
	// Go function for each copy, and several for each fill. Most are this small: fields of new
	// objects, short strings.
	smallBytes = 32
	// bytesPerTickLog is the logarithm of the number of bytes per tick: 64, so that the default
	// budget lasts for 512 KiB, or 128 pages that are touched for the first time.
	bytesPerTickLog = 6
)

// copyBody returns the function that replaces memory.copy.
func (t *ticker) copyBody() []byte {
	const dst, src, n = 0, 1, 2
	b := bulk{ticker: t, n: n, starts: []uint32{dst, src}}
	b.operate = func() { b.memoryCopy() }
	b.small = func() { b.smallCopy(dst, src, 3) }
	b.whole(func() {
		// As unsigned numbers, dst-src < n means that dst lies inside the source: the last chunk
		// goes first.
		b.get(dst)
		b.get(src)
		b.op(wasmbin.OpI32Sub)
		b.get(n)
		b.op(wasmbin.OpI32LtU)
		b.ifThen()
		b.backward()
		b.op(wasmbin.OpElse)
		b.forward()
		b.end()
	})
	return b.body(4, wasmbin.TypeI64)
}

// fillBody returns the function that replaces memory.fill.
func (t *ticker) fillBody() []byte {
	const dst, value, n = 0, 1, 2
	b := bulk{ticker: t, n: n, starts: []uint32{dst}}
	b.operate = func() { b.memoryFill() }
	b.small = func() { b.smallFill(dst, value, 3) }
	b.value = func() { b.get(value) }
	b.whole(b.forward)
	return b.body(1, wasmbin.TypeI64)
}

// bulk writes the body of copy or fill. Both have three parameters, the last of which is the
// length.
type bulk struct {
	asm
	*ticker
	n uint32
	// starts are the parameters that are addresses.
	starts []uint32
	// value pushes the second operand if that is not an address.
	value func()
	// operate appends the instruction that the function replaces.
	operate func()
	// small appends code that moves from 1 to smallBytes bytes, which are known to lie within
	// memory, and returns.
	small func()
}

// apply appends the original instruction for length bytes that start offset bytes after the start
// addresses.
func (b *bulk) apply(offset, length func()) {
	for _, s := range b.starts {
		b.get(s)
		if offset != nil {
			offset()
			b.op(wasmbin.OpI32Add)
		}
	}
	if b.value != nil {
		b.value()
	}
	length()
	b.operate()
}

func (b *bulk) pushN()     { b.get(b.n) }
func (b *bulk) pushChunk() { b.i32(int32(b.options.CopyChunk)) }

// whole appends the function. The smallest lengths use loads and stores. Large lengths use chunks,
// which leaves the last chunk; that one, and lengths in between, use the instruction once.
func (b *bulk) whole(chunks func()) {
	// n-1 < smallBytes: as an unsigned number, zero counts as large here.
	b.get(b.n)
	b.i32(1)
	b.op(wasmbin.OpI32Sub)
	b.i32(smallBytes)
	b.op(wasmbin.OpI32LtU)
	b.ifThen()
	b.trapOutOfBounds()
	b.small()
	b.end()

	b.get(b.n)
	b.i32(freeBytes)
	b.op(wasmbin.OpI32LeU)
	b.ifThen()
	b.apply(nil, b.pushN)
	b.op(wasmbin.OpReturn)
	b.end()

	b.get(b.n)
	b.pushChunk()
	b.op(wasmbin.OpI32GtU)
	b.ifThen()
	b.trapOutOfBounds()
	chunks()
	b.end()

	b.spendBytes(func() { b.get(b.n) })
	b.apply(nil, b.pushN)
}

// trapOutOfBounds runs the original instruction if it is about to trap, so that it traps before
// anything is written and with its own trap. Sums are computed in 64 bits and cannot wrap.
func (b *bulk) trapOutOfBounds() {
	for i, s := range b.starts {
		b.get(s)
		b.op(wasmbin.OpI64ExtendI32U)
		b.get(b.n)
		b.op(wasmbin.OpI64ExtendI32U, wasmbin.OpI64Add)
		b.op(wasmbin.OpMemorySize, 0, wasmbin.OpI64ExtendI32U)
		b.i64(pageSizeLog)
		b.op(wasmbin.OpI64Shl, wasmbin.OpI64GtU)
		if i > 0 {
			b.op(wasmbin.OpI32Or)
		}
	}
	b.ifThen()
	b.apply(nil, b.pushN)
	b.op(wasmbin.OpUnreachable)
	b.end()
}

// smallCopy copies up to smallBytes bytes: everything is loaded before anything is stored, so that
// ranges may overlap. Two accesses, one at each end, cover any length from their width to twice
// that. The four locals from temp on are i64.
func (b *bulk) smallCopy(dst, src, temp uint32) {
	move := func(load, store byte, narrow bool, places ...position) {
		for i, p := range places {
			b.address(src, p)
			b.access(load, p.at)
			if narrow {
				b.op(wasmbin.OpI64ExtendI32U)
			}
			b.set(temp + uint32(i))
		}
		for i, p := range places {
			b.address(dst, p)
			b.get(temp + uint32(i))
			if narrow {
				b.op(wasmbin.OpI32WrapI64)
			}
			b.access(store, p.at)
		}
		b.op(wasmbin.OpReturn)
	}
	b.byLength(
		func() {
			move(wasmbin.OpI64Load, wasmbin.OpI64Store, false, b.at(0), b.at(8), b.fromEnd(16), b.fromEnd(8))
		},
		func() { move(wasmbin.OpI64Load, wasmbin.OpI64Store, false, b.at(0), b.fromEnd(8)) },
		func() { move(wasmbin.OpI32Load, wasmbin.OpI32Store, true, b.at(0), b.fromEnd(4)) },
		func() { move(wasmbin.OpI32Load8U, wasmbin.OpI32Store8, true, b.at(0), b.middle(), b.fromEnd(1)) },
	)
}

// smallFill is smallCopy for memory.fill. The local temp is an i64.
func (b *bulk) smallFill(dst, value, temp uint32) {
	// The byte, eight times.
	b.get(value)
	b.i32(0xff)
	b.op(wasmbin.OpI32And, wasmbin.OpI64ExtendI32U)
	b.i64(0x0101010101010101)
	b.op(wasmbin.OpI64Mul)
	b.set(temp)
	store := func(op byte, narrow bool, places ...position) {
		for _, p := range places {
			b.address(dst, p)
			b.get(temp)
			if narrow {
				b.op(wasmbin.OpI32WrapI64)
			}
			b.access(op, p.at)
		}
		b.op(wasmbin.OpReturn)
	}
	b.byLength(
		func() { store(wasmbin.OpI64Store, false, b.at(0), b.at(8), b.fromEnd(16), b.fromEnd(8)) },
		func() { store(wasmbin.OpI64Store, false, b.at(0), b.fromEnd(8)) },
		func() { store(wasmbin.OpI32Store, true, b.at(0), b.fromEnd(4)) },
		func() { store(wasmbin.OpI32Store8, true, b.at(0), b.middle(), b.fromEnd(1)) },
	)
}

// byLength chooses by the length: more than 16 bytes, 8 or more, 4 or more, fewer.
func (b *bulk) byLength(over16, from8, from4, below4 func()) {
	for _, c := range []struct {
		least int32
		then  func()
	}{{17, over16}, {8, from8}, {4, from4}} {
		b.get(b.n)
		b.i32(c.least)
		b.op(wasmbin.OpI32GeU)
		b.ifThen()
		c.then()
		b.end()
	}
	below4()
}

// position is a position to access within the range: a constant offset after the address that push
// pushes, if any.
type position struct {
	push func()
	at   uint32
}

func (b *bulk) address(start uint32, p position) {
	b.get(start)
	if p.push != nil {
		p.push()
		b.op(wasmbin.OpI32Add)
	}
}

func (b *bulk) at(offset uint32) position { return position{at: offset} }

func (b *bulk) fromEnd(bytes int32) position {
	return position{push: func() {
		b.get(b.n)
		b.i32(bytes)
		b.op(wasmbin.OpI32Sub)
	}}
}

func (b *bulk) middle() position {
	return position{push: func() {
		b.get(b.n)
		b.i32(1)
		b.op(wasmbin.OpI32ShrU)
	}}
}

// pageSizeLog is the logarithm of the size of a page of linear memory, 64 KiB.
const pageSizeLog = 16

func (b *bulk) spendBytes(bytes func()) {
	b.spend(&b.asm, func() {
		bytes()
		b.i32(bytesPerTickLog)
		b.op(wasmbin.OpI32ShrU)
	})
}

// forward appends the loop over all chunks but the last, beginning at the start.
func (b *bulk) forward() {
	b.loop()
	b.apply(nil, b.pushChunk)
	for _, s := range b.starts {
		b.get(s)
		b.pushChunk()
		b.op(wasmbin.OpI32Add)
		b.set(s)
	}
	b.shorten()
	b.again()
}

// backward appends the loop over all chunks but the first, beginning at the end.
func (b *bulk) backward() {
	b.loop()
	b.shorten()
	b.apply(b.pushN, b.pushChunk)
	b.again()
}

func (b *bulk) shorten() {
	b.get(b.n)
	b.pushChunk()
	b.op(wasmbin.OpI32Sub)
	b.set(b.n)
}

func (b *bulk) again() {
	b.spendBytes(b.pushChunk)
	b.get(b.n)
	b.pushChunk()
	b.op(wasmbin.OpI32GtU)
	b.index(wasmbin.OpBrIf, 0)
	b.end()
}
