// Package sandbox runs Python functions, each run in a pristine CPython of its
// own. It implements [runtime.Sandbox] with wazero.
//
// It owns the guest at work: the base image that all interpreters start from
// ([Open] makes it), the image of each function version, the slots that runs
// happen in, the host calls, and the sharing of processors among runs. It
// refuses to know what an execution, a quota or a queue is, how functions are
// kept, and who asks. No wazero type leaves it.
//
// A run takes a slot, an instance whose memory is laid out as the function's
// image, calls into it, and puts back the pages that the call has written: an
// interpreter is restored, not started. What makes that exact:
//
//   - All state of an instance is its linear memory and two globals. That is
//     checked, not assumed.
//   - All state of a run outside the instance (files, logs, inputs) is in one
//     struct that is reset with it.
//   - The kernel says which pages were written; see mappedMemory. Where it
//     cannot, all of the memory is copied; see copiedMemory.
//   - A slot that changes its function or tenant gets a fresh mapping. A slot
//     whose memory has grown, or whose run did not end by returning, is closed.
//
// Guests are machine code that the Go scheduler cannot preempt. The guest is
// instrumented to call the host every few thousand loop iterations; there its
// deadline and cancellation are looked at and other runs get their turn; see
// places.
//
// All methods of [Sandbox] may be called concurrently.
//
//	box, err := sandbox.Open(ctx, sandbox.Options{CacheDir: dir})
//	...
//	outcome, err := box.Deploy(ctx, program)         // outcome.Failure: the program's fault
//	outcome, err = box.Run(ctx, runtime.RunCall{Program: program, Args: args, Context: noContext}) // err: the platform's
package sandbox
