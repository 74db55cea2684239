//go:build amd64 || arm64

package confine

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets of struct seccomp_data, see seccomp(2). Both architectures are little endian.
const (
	offsetNumber    = 0
	offsetArch      = 4
	offsetArguments = 16
)

// What a filter returns.
var (
	allow   = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse  = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	unknown = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
)

// conditional is a system call that is allowed if all checks of one alternative pass.
type conditional struct {
	call         uint32
	alternatives [][]check
}

// check passes if half of an argument is one of the values.
type check struct {
	argument uint32 // counted from 0
	high     bool   // the upper 32 bits rather than the lower
	mask     uint32 // bits that are compared; 0: all
	values   []uint32
}

// program returns the instructions that decide about the call.
func (c conditional) program() []bpf.Instruction {
	code := []bpf.Instruction{refuse}
	for _, checks := range slices.Backward(c.alternatives) {
		passed := []bpf.Instruction{allow}
		for _, k := range slices.Backward(checks) {
			passed = slices.Concat(k.program(uint32(len(passed))), passed)
		}
		code = append(passed, code...)
	}
	return code
}

// program returns the instructions that skip the given number of others unless the check passes.
func (k check) program(skip uint32) (code []bpf.Instruction) {
	at := offsetArguments + 8*k.argument
	if k.high {
		at += 4
	}
	code = append(code, bpf.LoadAbsolute{Off: at, Size: 4})
	if k.mask != 0 {
		code = append(code, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: k.mask})
	}
	for i, v := range k.values {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(k.values) - i)})
	}
	return append(code, bpf.Jump{Skip: skip})
}

// span is the system calls from a number up to the next span, which have the same code.
type span struct {
	from uint32
	code []bpf.Instruction
}

// calls say what is done with system calls. Any other call fails with ENOSYS.
type calls struct {
	allowed, refused []uint32
	some             []conditional // overrule refused
}

// serverCalls returns the calls of a server, the process pid. more allows the process to restrict
// itself further: to install another filter, and to send the signal with which the C library, if the
// program has it, lets each thread restrict its files.
func serverCalls(pid uint32, more bool) calls {
	c := calls{slices.Concat(allowed, ownCallsHere, pathCallsHere), slices.Concat(refused, refusedHere), someAllowed(pid)}
	if more {
		further := []uint32{unix.SYS_SECCOMP, unix.SYS_TKILL}
		c.allowed, c.refused = slices.Concat(c.allowed, further), without(c.refused, further)
	}
	return c
}

// without returns the numbers that are not among others.
func without(numbers, others []uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(numbers), func(n uint32) bool { return slices.Contains(others, n) })
}

// spans returns what is done with each system call, by rising numbers from 0.
func (c calls) spans() []span {
	one := func(i bpf.Instruction) []bpf.Instruction { return []bpf.Instruction{i} }
	programs := make(map[uint32][]bpf.Instruction)
	for _, n := range c.allowed {
		programs[n] = one(allow)
	}
	for _, n := range c.refused {
		programs[n] = one(refuse)
	}
	for _, s := range c.some {
		programs[s.call] = s.program()
	}
	var all []span
	add := func(from uint32, code []bpf.Instruction) {
		if last := len(all) - 1; last < 0 || len(code) > 1 || !slices.Equal(all[last].code, code) {
			all = append(all, span{from, code})
		}
	}
	for n := range uint32(maxCall + 1) {
		code := programs[n]
		if code == nil {
			code = one(unknown)
		}
		add(n, code)
	}
	add(maxCall+1, one(unknown))
	// Numbers of the x32 interface have bit 30; it has system calls of its own.
	add(1<<30, one(refuse))
	return all
}

// maxCall bounds the numbers of system calls that the filter distinguishes.
const maxCall = 512

// search returns the instructions that find the span of the number in the register, in steps whose
// number is logarithmic.
func search(all []span) []bpf.Instruction {
	if len(all) == 1 {
		return all[0].code
	}
	half := len(all) / 2
	below, above := search(all[:half]), search(all[half:])
	// A conditional jump is short.
	if len(below) <= math.MaxUint8 {
		below = append([]bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: all[half].from, SkipTrue: uint8(len(below))}}, below...)
	} else {
		below = append([]bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: all[half].from, SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(below))},
		}, below...)
	}
	return append(below, above...)
}

// filter returns the program that decides about each system call.
func (c calls) filter() []bpf.Instruction {
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		refuse,
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}, search(c.spans())...)
}

// filterCalls filters the system calls of all threads of a server, see [serverCalls].
func filterCalls(more bool) error { return install(serverCalls(uint32(os.Getpid()), more).filter()) }

// flags extend a filter to all threads. They keep it from turning on the kernel's mitigation of
// speculative store bypass, which slows all code and which nothing else here relies on: see "Side
// channels" in SECURITY.md.
const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW

// install installs a filter for all threads. The process has no_new_privs, or is privileged.
func install(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	arg := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&arg)))
	runtime.KeepAlive(code)
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return errors.Join(errors.New("the kernel has no seccomp filters for all threads"), errno)
	case errno != 0:
		return fmt.Errorf("seccomp: %w", errno)
	case thread != 0:
		return fmt.Errorf("seccomp: thread %d has another filter", thread)
	}
	return nil
}
