// Package wasi is the operating system that a guest sees: all of WASI preview 1, for untrusted
// code.
//
// It owns everything that a run can observe through WASI: the table of file descriptors, a
// read-only tree of files, a private /tmp in memory, clocks, randomness, arguments and environment.
// It does not know what a run is: how long it may take, where its log goes, which budget its memory
// comes from and how it is ended. For all of that it calls its [Control].
//
// # The parts
//
//   - A [Tree] is the read-only part of the file system, shared by all runs. Immutable, safe for
//     concurrent use.
//   - A [System] is the state of one run at a time. It belongs to one instance, is used by one
//     goroutine at a time, and returns to its initial state by [System.Reset], which costs some
//     tens of nanoseconds if the run touched no file.
//   - A [Mount] is a read-only folder that some runs see as /function. Immutable, safe for concurrent
//     use.
//   - A [State] is the part of a run's state that [System.Capture] stores: /tmp, the open
//     descriptors and the Mount. Immutable, safe for concurrent use by any number of Systems: a run that writes
//     to a directory or to 64 KiB of a file of its State copies that much first.
//   - A [Parked] is a run without a System: [System.Park] takes it out of one, and [System.Resume]
//     continues it in any.
//   - [Instantiate] adds to a wazero runtime the module that guests import. It is called once per
//     runtime; the functions have no state of their own and look up the System of the calling run
//     each time.
//
// The example of [Instantiate] shows a run as the host sees it.
//
// # The guest is hostile
//
// Every pointer, length, count and flag is checked before a call has any effect; sums are computed
// in 64 bits. The memory that a guest can make the host allocate is bounded by [Limits] and
// requested through [Control].Charge beforehand. One read or write names at most 1,024 buffers, one
// poll_oneoff at most 1,024 events. A run has at most 128 connections, each of which Control.Hold
// grants; the kernel keeps at most some 512 KiB of each in each direction. Work that takes longer than about 100 µs is interrupted by
// Control.Checkpoint. The guest learns an errno and nothing else. A run ends when a Control method
// panics; no function here recovers, and Reset works on a System after a panic.
//
// # The file system
//
// There is one preopened directory: descriptor 3 is "/". Below it are the Tree and, if the run has a
// Mount, /function, which both return EROFS for every change, /tmp, which is writable, and /dev with
// character devices: null, zero, full, random, urandom, stdin, stdout, stderr, and execution, which
// gives what the host says about the run. /dev/fd/N leads to what descriptor N refers to. Nothing else
// exists: no /proc. A path has no NUL (else EINVAL) and is relative to a directory
// descriptor (else EPERM); ".." leads to the parent, and at the root to the root itself. Because
// everything visible lies under the root, ".." may leave the directory of a descriptor. /tmp has
// symbolic and hard links. The target of a symbolic link is resolved like a path, an absolute one
// from the same root, so that it leads nowhere that a path does not; a path leads through at most
// 40 (else ELOOP). Its text counts as bytes of /tmp, each name of a file as a file. Reading does
// not change access times. Files of the Tree and the Mount are dated 1 January 1980. Files of the Mount
// are read from where they are stored; if that fails, the read returns EIO. A file that is removed while
// open lives, and counts against the limits, until it is closed. If several errnos are possible,
// the result is the one that Linux returns.
//
// # Sockets
//
// A socket is a descriptor of a stream or of datagrams over IPv4 or IPv6. It has no resource of the
// host until it is connected, through the [runtime.Network] of the run, see [System.Connect]; only a
// pair of sockets needs none. The kernel receives into the guest's memory and sends from it. A call
// that waits does so in Control.Wait: without a thread, and without the guest's processor. It returns
// when what it waits for has happened, or its time is up, and for no other reason. Nothing listens.
// The addresses of the machine are not shown. A connection ends with its run: in a State its socket
// is dead, receives ECONNRESET and sends EPIPE, and is ready for both; a socket that was not connected
// stays as it is. Numbers of families, types, flags and options are those of Linux. The reason why
// a call of the network failed, as text, is the result of the next sock_reason.
//
// # The functions
//
// A result not named here is the errno that POSIX defines for the case.
//
//	args_get, args_sizes_get        Config.Args
//	environ_get, environ_sizes_get  Config.Env
//	clock_res_get                   1 ns
//	clock_time_get                  Config.Clock; the monotonic clock (1) never goes back; the CPU
//	                                clocks (2, 3) are it without the time that the run has slept
//	fd_advise                       success for files (the advice is checked, then ignored);
//	                                ESPIPE for stdio
//	fd_allocate                     grows the file if it is shorter
//	fd_close                        any open descriptor, stdio and the preopen too
//	fd_datasync, fd_sync            success for every open descriptor
//	fd_fdstat_get                   rights report how it was opened; directories have all rights
//	fd_fdstat_set_flags             stored; only APPEND has an effect
//	fd_fdstat_set_rights            ENOSYS
//	fd_filestat_get                 device 1 is the Tree, 2 is /tmp, 3 is stdio, 4 is the Mount;
//	                                stdio are character devices but not terminals
//	fd_filestat_set_size            files open for writing; EINVAL otherwise
//	fd_filestat_set_times           /tmp; EROFS for the Tree
//	fd_pread, fd_pwrite             files, devices; ESPIPE for stdio; fd_pwrite honours the offset even under APPEND
//	fd_prestat_get, _dir_name       descriptor 3 is "/"; EBADF for all others
//	fd_read                         files; stdin is at its end
//	fd_readdir                      ".", "..", then entries in order of creation (Tree: of name);
//	                                cookies stay valid under changes
//	fd_renumber                     both must be open; the target is closed first
//	fd_seek, fd_tell                files; ESPIPE for stdio, EISDIR for directories
//	fd_write                        files; stdout and stderr go to Control.Log
//	path_create_directory           /tmp; EROFS elsewhere
//	path_filestat_get               any path
//	path_filestat_set_times         /tmp; EROFS elsewhere
//	path_link, path_symlink         /tmp; EROFS elsewhere; EXDEV for a hard link to the Tree
//	path_open                       the Tree for reading, /tmp for everything
//	path_readlink                   the target, cut at the end of the buffer
//	path_remove_directory           /tmp; EBUSY for /tmp itself
//	path_rename                     within /tmp; EROFS if either end lies elsewhere
//	path_unlink_file                /tmp; EISDIR for directories
//	poll_oneoff                     every descriptor but a socket is ready. With sockets alone it waits
//	                                until one is ready or the soonest clock is due; without
//	                                descriptors it is Control.Sleep. Beside preview 1's flag for
//	                                a hangup, an event of a socket has 2 for an error, and 4 if
//	                                nothing else has happened. If the word behind the descriptor
//	                                of a subscription is not 0, it waits for these two alone
//	proc_exit                       Control.Exit
//	proc_raise                      ENOSYS
//	random_get                      Config.Random
//	sched_yield                     Control.Checkpoint
//	sock_accept                     EINVAL, since nothing listens
//	sock_recv, _send, _shutdown     sockets; the first buffer of sock_recv only
//
// These are not of preview 1, which has no counterpart. An address is 24 bytes: u16 family, 0 for
// none, u16 port, u32 scope, and 16 bytes, of which IPv4 uses four:
//
//	fd_dup(fd, to, result)          duplicates a descriptor, with which it shares position and
//	                                flags, as the lowest free one if to is -1, else as to
//	tmp_usage(result)               four u64: the bytes that /tmp can hold and how many are left, the
//	                                same of files
//	sock_connect(fd, address)       EINPROGRESS if the descriptor does not wait; poll_oneoff and
//	                                SO_ERROR report the result
//	sock_found(fd, addresses, count)   the result of a look-up, as that of sock_resolve; EAI_AGAIN
//	                                if there is none yet
//	sock_getopt(fd, level, name, value), sock_setopt   one i32; a time in milliseconds
//	sock_look_up(name, length, family, result)   a descriptor that is readable when sock_found has the
//	                                result; no other call of sockets has a use for it
//	sock_name(fd, peer, address)    the address of the socket, or of its peer
//	sock_open(family, type, result), sock_pair(type, results)
//	sock_reason(text, size, length) ENOTSUP if the run has no network, EAGAIN if it has none yet
//	sock_recv_from(fd, at, size, flags, address, result), sock_send_to   the address may be 0
//	sock_resolve(name, length, family, addresses, count)   0, or an EAI code of Linux without its
//	                                sign; count is the room, then the number of addresses
//	tls_call(handle, operation, in, size, out, size, timeout, result)   see below
//
// # TLS
//
// tls_call performs an operation of a TLS engine (package tlsengine). Its errno is success whenever it
// has written the result: an i32, the status, and a u32, n. The timeout is in milliseconds: negative
// for none, 0 not to wait. An engine belongs to a connected stream, which it receives from and sends to,
// or is in memory: then the guest feeds it and drains it, and the status has 0x100 added while there is
// something to drain. Handles are unknown (EBADF) after the run, and are not given again.
//
// The status is 0 (done), 1 or 2 (it lacks bytes, or room to send; to be repeated, a write with the same
// bytes), 3 (close_notify was received), 4 (the transport has ended), 5 (the time has passed), 6 (the
// transport has failed with the errno n), 7 or 8 (TLS has failed, or the certificate was refused:
// operation 11 says why). The operations are:
//
//	1 open        in: tlsengine.Settings as JSON; the handle is a descriptor, or -1; n is the handle.
//	              EACCES if the network does not allow the server's name, EMFILE, ENOBUFS
//	2 handshake   3 read   4 write   5 shutdown
//	6 feed        7 end of what is fed   8 drain: in memory
//	9 info        tlsengine.Info as JSON; n is its length, and nothing is written if it does not fit
//	10 pending    n is the number of bytes that a read returns at once
//	11 error      tlsengine.Failure as JSON, or null; with handle 0, of the latest call without one
//	12 close      frees the engine; the descriptor stays open
//	13 roots      in: PEM or DER; keeps trust anchors; their sum and number as JSON
//	14 decode     in: a certificate; tlsengine.Decoded as JSON
//	15 pair       in: tlsengine.Certificate as JSON
//	16 ciphers    in: a cipher string; tlsengine.Cipher as JSON
//
// The numbers, layouts and signatures are those of the WASI preview 1 witx files
// (https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md).
package wasi
