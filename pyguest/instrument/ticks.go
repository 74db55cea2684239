package instrument

import "github.com/faaspot/faaspot/pyguest/wasmbin"

// ticker knows the indices of what the instrumenter adds and writes the code that spends ticks.
type ticker struct {
	options Options
	// ticks is the added global, yield the imported function, the others are added functions.
	ticks                                        uint32
	yield, pause, stride, leafStride, copy, fill uint32
}

// pauseBody is the function pause: a fresh budget, then the host. The budget comes first, so that the global is in
// order again should the host end the run by a panic.
func (t *ticker) pauseBody() []byte {
	var a asm
	a.i32(int32(t.options.Budget))
	a.setGlobal(t.ticks)
	a.call(t.yield)
	return a.body()
}

// strideBody is the function that a loop calls once per stride of iterations.
func (t *ticker) strideBody(stride uint32) []byte {
	var a asm
	t.spend(&a, func() { a.i32(int32(stride)) })
	return a.body()
}

// spend takes ticks, which amount pushes, off the global and pauses when none are left. It leaves the stack as it is.
func (t *ticker) spend(a *asm, amount func()) {
	a.getGlobal(t.ticks)
	amount()
	a.op(wasmbin.OpI32Sub)
	a.setGlobal(t.ticks)
	a.getGlobal(t.ticks)
	a.i32(0)
	a.op(wasmbin.OpI32LtS)
	a.ifThen()
	a.call(t.pause)
	a.end()
}

// spendOne spends one tick.
func (t *ticker) spendOne(a *asm) {
	t.spend(a, func() { a.i32(1) })
}
