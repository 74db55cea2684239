package instrument

import "github.com/faaspot/faaspot/pyguest/wasmbin"

// What bulk operations cost.
const (
	// freeBytes is the size up to which a copy or fill spends nothing: it counts as part of the iteration around it.
	freeBytes = 256
	// bytesPerTickLog is the logarithm of how many bytes cost a tick: 64, so that the default budget lasts for 512 KiB,
	// or 128 pages that are touched for the first time.
	bytesPerTickLog = 6
)

// copyBody is the function that stands in for memory.copy.
func (t *ticker) copyBody() []byte {
	const dst, src, n = 0, 1, 2
	b := bulk{ticker: t, n: n, starts: []uint32{dst, src}}
	b.operate = func() { b.memoryCopy() }
	b.whole(func() {
		// As unsigned numbers, dst-src < n means that dst lies inside of the source: the last chunk goes first.
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
	return b.body()
}

// fillBody is the function that stands in for memory.fill.
func (t *ticker) fillBody() []byte {
	const dst, value, n = 0, 1, 2
	b := bulk{ticker: t, n: n, starts: []uint32{dst}}
	b.operate = func() { b.memoryFill() }
	b.value = func() { b.get(value) }
	b.whole(b.forward)
	return b.body()
}

// bulk writes the body of copy or fill. Both have three parameters, the last of which is the length.
type bulk struct {
	asm
	*ticker
	n uint32
	// starts are the parameters that are addresses.
	starts []uint32
	// value pushes the second operand where that is no address.
	value func()
	// operate appends the instruction that the function stands in for.
	operate func()
}

// apply appends the original instruction for length bytes that start offset bytes behind the start addresses.
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

// whole appends the function: small lengths at once, large ones by way of chunks, which leaves the last of them, and
// lengths between at once too.
func (b *bulk) whole(chunks func()) {
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

// trapOutOfBounds runs the original instruction if it is about to trap, so that it does so before anything is written
// and with the trap that belongs to it. Sums are taken in 64 bits; they cannot wrap.
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

// pageSizeLog is the logarithm of the size of a page of linear memory, 64 KiB.
const pageSizeLog = 16

func (b *bulk) spendBytes(bytes func()) {
	b.spend(&b.asm, func() {
		bytes()
		b.i32(bytesPerTickLog)
		b.op(wasmbin.OpI32ShrU)
	})
}

// forward appends the loop over all chunks but the last, from the start on.
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

// backward appends the loop over all chunks but the first, from the end on.
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
