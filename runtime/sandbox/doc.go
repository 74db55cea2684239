// Package sandbox runs Python functions, each run in a pristine CPython of its own. It implements
// [runtime.Sandbox] with wazero.
//
// It owns the running guest: the base image that all interpreters start from (created by [Open]),
// the image of each function version, the slots in which runs execute, the host calls, and the
// sharing of processors among runs. It knows nothing of executions, quotas and queues, of how
// functions are stored, and of users. No wazero type leaves it.
//
// A run takes a slot, which is an instance whose memory holds the function's image, calls into it,
// and restores the pages that the call has written: an interpreter is restored, not started. The
// restored slot is exactly the image because:
//
//   - All state of an instance is its linear memory and two globals. This is checked, not assumed.
//   - All state of a run outside the instance (files, logs, inputs) is in one struct that is reset
//     with the slot.
//   - The kernel reports which pages were written; see mappedMemory. Where it cannot, all of the
//     memory is copied; see copiedMemory.
//   - A slot that moves to another tenant gets a memory with only fresh pages; one that moves to
//     another function of the same tenant has every differing page changed. A slot whose memory
//     has grown, or whose run did not end by returning, is closed.
//
// An image is stored as what differs from the base image: of most pages some lines of 64 bytes, and
// one stretch in which nearly all pages differ as a file, which memories map copy-on-write; see
// layout. A written page of the stretch is found and restored like any other. Each file has one
// image and no name. It is in memory, or on disk if there is no memory for it; see imageFiles.
//
// The files of a bundle are unpacked once per tenant, into one file without a name on disk, from which
// all slots read them through the system's cache; see bundles. Guests see them as /function. An image
// holds the bundle that its files refer to. The first deployment of a bundle leaves the bytecode of the
// modules that it imports, which later ones read.
//
// Memory comes from the budget of the server; see accounts. A run has reserved its own: linear
// memory, /tmp and [runtime.RunOverhead]. Everything else is taken before it exists and given back
// when it is gone: images, idle slots, slots that are being closed, deep native stacks and compiled
// code. Images and idle slots are caches that give way: images to the disk, as long as it has room.
// A run for whose image there is neither memory nor disk builds the function in its own slot.
//
// A run whose async main waits is parked: it leaves its slot, which is restored, and continues in any slot
// with its image. Meanwhile it is a delta of its memory from the image, two globals and a [wasi.Parked].
// Other runs that wait, and those that have changed much of their memory, stay in their slots.
//
// What is done for a run counts as the run: loading and restoring its slot, building a missing
// image, copying inputs and results. All of it is done in pieces with checkpoints.
//
// Guests are machine code that the Go scheduler cannot preempt. The guest is instrumented to call
// the host every few thousand loop iterations. There the host checks the deadline and cancellation
// and lets other runs compute; see processors.
//
// All methods of [Sandbox] may be called concurrently. The example of [Sandbox] deploys and runs a
// function.
package sandbox
