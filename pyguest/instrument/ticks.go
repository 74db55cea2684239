package instrument

import "github.com/faaspot/faaspot/pyguest/wasmbin"

// ticker holds the indices of everything that the instrumenter adds, and writes the code that
// spends ticks.
type ticker struct {
	options Options
	// ticks is the added global, yield the imported function, the others are added functions.
	ticks                                        uint32
	yield, pause, stride, leafStride, copy, fill uint32
}

// pauseBody returns the function pause: it refills the budget, then calls the host. The budget
// comes first, so that the global is correct if the host ends the run with a panic.
func (t *ticker) pauseBody() []byte {
	var a asm
	a.i32(int32(t.options.Budget))
	a.setGlobal(t.ticks)
	a.call(t.yield)
	return a.body()
}

// strideBody returns the function that a loop calls once per stride of iterations.
func (t *ticker) strideBody(stride uint32) []byte {
	var a asm
	t.spend(&a, func() { a.i32(int32(stride)) })
	return a.body()
}

// spend subtracts ticks, which amount pushes, from the global and pauses when none are left. It
// leaves the stack unchanged.
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
