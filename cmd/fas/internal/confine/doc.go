// Package confine gives up what a running server does not need of its machine, so that an escape
// from the sandbox finds a second wall: Landlock restricts files, a seccomp filter restricts system
// calls, no_new_privs makes set-user-ID programs worthless, and there are no core dumps.
//
// The walls hold for the whole process and for good. Each is independent: where the kernel lacks
// one, a [Report] says so and the others stand. They hold on Linux, the filter on amd64 and arm64.
//
// [Process] confines a server, [Spawner] the process that starts its workers, and [Worker] those.
package confine
