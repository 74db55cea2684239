// Package instrument rewrites a WebAssembly module so that it calls its host regularly, whatever it
// computes.
//
// It owns the choice of places and the code that is inserted there. It does not know what the host
// does in a yield, how the module is run, and whether it is valid; package wasmbin knows the
// format. [Instrument] is a pure function and may be called concurrently. See its example.
//
// # Why
//
// Code compiled by wazero is not preempted: Go's scheduler cannot take the thread back, and its
// garbage collector waits for ever for a goroutine in an endless loop, and the whole server with
// it. wazero can check for interruption itself, but leaves compiled code for that at each loop
// head, which makes Python code 3 to 4.5 times slower. A flag in memory that another goroutine sets
// does not help when that goroutine does not get to run. So the guest itself calls the import
// faas.yield, a function without parameters and results, often enough for deadlines to hold and
// seldom enough to cost little. Entering Go lets the scheduler and the collector run; the host ends
// a run with a panic there.
//
// # Ticks
//
// Time is counted in ticks, in one global. The function pause refills the global and yields; it is
// called when the global falls below zero. Ticks are spent by:
//
//	an iteration of a loop        1, booked once per stride
//	the entry of a loop nest      1, if it has calls inside
//	an indirect call              1, outside of loops
//	the entry of a function       1, if it closes a cycle of direct calls outside of loops
//	memory.copy, memory.fill      1 per 64 bytes, nothing for up to 256 bytes
//
// A loop counts in a local, which is a register, and books a stride of iterations at once: a
// counter in memory would be loaded and stored in each iteration. A loop that is left after fewer
// iterations than a stride would never book anything: loops in callees of loops, or a recursion
// through a loop of two rounds, could then run for ever without a tick. The other rows prevent
// that. They bound the amount of code between any two ticks: without a tick, control passes no
// cycle of the call graph, and no loop for more iterations than its stride.
//
// A loop nest with calls inside starts its counter not at zero but at the low bits of the ticks
// that are left. That is as good as keeping the counter from one entry to the next: many short
// loops book as many strides as one long loop, on average, without a store at each exit. A loop
// without calls ("leaf loop") starts at zero and books nothing on its entry: the hottest small
// functions consist of such loops, and at most a stride of its cheap iterations is not counted per
// iteration of the code around it.
//
// # Loops
//
// A loop becomes two nested loops of the same type:
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
// Starting the outer loop again has the same effect as starting the inner one: at its head all
// state is in locals, globals and on the stack, whose top are the parameters of both. The call
// stays outside the inner loop. There an iteration costs an addition and a branch that is not
// taken, and no register has to survive a call. Labels of branches that leave loops grow by one for
// each of them.
//
// # Memory in bulk
//
// memory.copy and memory.fill are single instructions, and for 100 MB they take longer than 10 ms,
// page faults included. A call of an added function replaces each. It checks the whole range first
// and lets the original instruction trap if that is out of bounds, so that nothing is written
// before a trap. It then proceeds in chunks, from the end if the destination lies inside the
// source, and spends ticks in between. If the host ends the run there, part has been moved.
//
// memory.init and the table instructions are not changed: the amount that they move is bounded by
// the size of the module and of its tables. memory.grow enters Go by itself.
//
// # Conditional branches
//
// A br_if whose label takes no values becomes a br in an if, which has the same effect:
//
//	br_if l          if br l+1 end
//
// This has nothing to do with yields. wazero compiles the two differently (1.12.0): a br_if to a
// place that is also reached in other ways is split by a block of its own, whose branch is then not
// fused with the comparison before it. That takes six instructions (compare, set, extend, test, two
// jumps) instead of two with an if. The change makes the module 2 to 3 % larger and regular
// expressions 8 to 12 % faster; the figures are in pyguest/build/README.md.
//
// # What is added
//
// Five functions (three if the module has no memory) after those of the module, so that no index
// changes: pause; the booking of a stride, and of a stride of a leaf loop; the replacements for
// memory.copy and memory.fill. Perhaps one type. One or two locals in each function with loops.
// They do not survive the call of that function.
//
// The only mutable state that is added is one global, a mutable i32, exported as [TicksGlobal]. Its
// initial value is Options.Budget. Between calls of the module it is anything from just below zero
// to the budget; it affects only when the next yield comes. A host that restores instances exactly
// resets it to its value at the snapshot. Pause refills it before it calls the host, so that a
// panic there leaves a full budget.
//
// Everything else stays byte for byte: other sections, including custom sections, and functions
// that need nothing and contain no conditional branch. The name section stays valid, because the
// functions that it names keep their indices; the added functions have no names. Offsets into the
// code in other custom sections (DWARF, source maps, branch hints) are no longer correct.
//
// # Refused
//
// Instructions, types, flags and sections beyond the core specification 2.0; shared memories and
// more than one memory; modules that are instrumented already or do not import the yield function
// with its type; more than 50,000 locals in a function; instructions that write tables unless
// [Options.AllowTableWrites] is set, because the sandbox never restores tables.
package instrument
