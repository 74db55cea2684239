// Package instrument rewrites a WebAssembly module so that it calls its host now and then, whatever it is busy with.
//
// It owns the choice of places and the code that is put there. It refuses to know what the host does in a yield, how the
// module is run, and whether it is valid; the format is the business of package wasmbin. [Instrument] is a pure function
// and may be called concurrently.
//
//	out, stats, err := instrument.Instrument(module, instrument.Options{})
//
// # Why
//
// Code that wazero has compiled is not preempted: Go's scheduler cannot take the thread back, and its garbage collector
// waits for a goroutine in an endless loop for ever, and the whole server with it. wazero can check for interruption
// itself, but leaves compiled code for that at each loop head, which makes Python code 3 to 4.5 times slower. A flag in
// memory that another goroutine sets is of no use when that goroutine does not get to run. So the guest itself calls the
// import faas.yield, a function without parameters and results, often enough for deadlines to hold and seldom enough to
// cost little. To enter Go is what lets the scheduler and the collector in; the host ends a run by a panic there.
//
// # Ticks
//
// Time is counted in ticks, in one global. The function pause refills the global and yields; it is called when the global
// falls below zero. What spends ticks:
//
//	an iteration of a loop        1, booked once per stride
//	the entry of a loop nest      1, if it has calls inside
//	an indirect call              1, outside of loops
//	the entry of a function       1, if it closes a cycle of direct calls outside of loops
//	memory.copy, memory.fill      1 per 64 bytes, nothing for up to 256 bytes
//
// A loop counts in a local, which is a register, and books a stride of iterations at once: a counter in memory would be
// loaded and stored in each iteration. Left with fewer iterations than a stride, a loop would never book anything: loops
// in callees of loops, or a recursion through a loop of two rounds, could then run for ever unseen. Hence the other rows.
// They make any two ticks at most a bounded amount of code apart: without a tick, control passes no cycle of the call
// graph, and no loop for more iterations than its stride.
//
// A loop nest with calls inside starts its counter not at zero but at the low bits of the ticks that are left. That is as
// good as keeping the counter from one entry to the next: many short loops book as many strides as one long loop, on
// average, without a store at each exit. A loop without calls ("leaf loop") starts at zero and books nothing on its
// entry: it is what the hottest small functions consist of, and at most a stride of its cheap iterations goes unseen
// per iteration of whatever surrounds it.
//
// # Loops
//
// A loop becomes two loops of the same type, one in the other:
//
//	loop                         ; once per stride
//	  if counter == stride
//	    spend a stride of ticks
//	    counter = 0
//	  end
//	  loop                       ; the loop that was
//	    counter += 1
//	    if counter == stride, br to the outer loop
//	    body
//
// To start the outer loop again does the same as to start the inner one: at its head all state is in locals, globals and on the
// stack, whose top are the parameters of both. The call stays outside of the loop that matters. There an iteration costs
// an addition and a branch that is not taken, and no register has to survive a call. Labels of branches that leave loops
// grow by one for each of them.
//
// # Memory in bulk
//
// memory.copy and memory.fill are single instructions, and for 100 MB they take longer than 10 ms, page faults included. A call
// of an added function stands in for each. It checks the whole range first and lets the original instruction trap if that
// is out of bounds, so that nothing is written before a trap. It then goes chunk by chunk, from the end on where the
// destination lies inside of the source, spending ticks in between. If the host ends the run there, part has been moved.
//
// memory.init and the table instructions are left alone: what they move is bounded by the size of the module and of
// its tables. memory.grow enters Go by itself.
//
// # Conditional branches
//
// A br_if whose label takes no values becomes a br in an if, which does the same:
//
//	br_if l          if br l+1 end
//
// This has nothing to do with yields. wazero compiles the two differently (1.12.0): a br_if to a place that is also reached in other ways is split by a
// block of its own, whose branch is then not fused with the comparison before it. That made six instructions (compare, set, extend, test, two
// jumps) of what are two with an if. It makes the module 2 to 3 % larger and regular expressions 8 to 12 % faster; the figures are in
// pyguest/build/README.md.
//
// # What is added
//
// Five functions (three if the module has no memory) behind those of the module, so that no index changes: pause; the
// booking of a stride, and of a stride of a leaf loop; the stand-ins for memory.copy and memory.fill. Perhaps one type.
// One or two locals in each function with loops. They do not survive the call of that function.
//
// All the mutable state that is added is one global, a mutable i32, exported as [TicksGlobal]. Its initial value is
// Options.Budget. Between calls of the module it is anything from just below zero to the budget; it affects when the
// next yield comes and nothing else. A host that restores instances exactly resets it to its value at the snapshot. Pause
// refills it before it calls the host, so that a panic there leaves a full budget.
//
// Everything else stays byte for byte: other sections, custom sections among them, and functions that need nothing and
// hold no conditional branch. The
// name section stays valid, as it names what kept its index; the added functions have no names. Offsets into the
// code that other custom sections may hold (DWARF, source maps, branch hints) are no longer true.
//
// # Refused
//
// Instructions, types, flags and sections beyond the core specification 2.0; shared memories and more than one memory;
// modules that are instrumented already or do not import the yield function with its type; more than 50,000 locals in a
// function; instructions that write tables unless [Options.AllowTableWrites] is set, because the sandbox never restores tables.
package instrument
