package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// Opcodes that the modules below use.
const (
	opBlock, opIf, opEnd, opBrTable, opReturn, opCall    = 0x02, 0x04, 0x0b, 0x0e, 0x0f, 0x10
	opLoop, opBrIf, opDivS32, opDivS64, opSub64, opAnd64 = 0x03, 0x0d, 0x6d, 0x7f, 0x7d, 0x83
	opNop, opBr                                          = 0x01, 0x0c
	opGet, opSet, opLoad, opStore, opGrow, opI32, opI64  = 0x20, 0x21, 0x28, 0x36, 0x40, 0x41, 0x42
	opAdd32, opSub32, opAnd32, opAdd64, opExtend, opWrap = 0x6a, 0x6b, 0x71, 0x7c, 0xad, 0xa7
	none, i32, i64                                       = 0x40, 0x7f, 0x7e
)

// function is a function with a parameter and a result of one type.
type function struct {
	kind   byte
	locals int // further ones, of type i64
	body   []byte
}

// moduleOf returns a module with a memory of one page that exports all functions.
func moduleOf(functions []function) []byte {
	vector := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	declared, exports, code := vector(len(functions)), vector(len(functions)), vector(len(functions))
	for i, f := range functions {
		declared = append(declared, map[byte]byte{i32: 0, i64: 1}[f.kind])
		exports = append(wasmbin.AppendName(exports, fmt.Sprintf("f%03d", i)), byte(wasmbin.KindFunc))
		exports = binary.AppendUvarint(exports, uint64(i))
		body := binary.AppendUvarint([]byte{1}, uint64(f.locals))
		body = append(append(append(body, i64), f.body...), opEnd)
		code = append(binary.AppendUvarint(code, uint64(len(body))), body...)
	}
	section := func(id byte, body []byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...)
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{2, 0x60, 1, i32, 1, i32, 0x60, 1, i64, 1, i64}), section(3, declared),
		section(5, []byte{1, 1, 1, 2}), section(7, exports), section(10, code))
}

// constOf appends an instruction with a signed constant.
func constOf(op byte, v int64) []byte {
	out := []byte{op}
	for {
		b := byte(v & 0x7f)
		if v >>= 7; v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

// maskedTables branch by an index that is masked to less than, and to more than, the size of a table.
func maskedTables() (out []function) {
	for _, mask := range []int64{0, 3, 6, 7, 8, 9, 15, 16, 255, -1, -8} {
		const targets = 8
		body := bytes.Repeat([]byte{opBlock, none}, targets)
		body = slices.Concat(body, []byte{opGet, 0}, constOf(opI32, mask), []byte{opAnd32, opBrTable, targets - 1})
		for i := range targets {
			body = append(body, byte(i))
		}
		for i := range targets {
			body = slices.Concat(body, []byte{opEnd}, constOf(opI32, int64(100+i)), []byte{opReturn})
		}
		out = append(out, function{i32, 0, append(body, constOf(opI32, 0)...)})
	}
	return out
}

// constantAddresses access the memory at constant addresses around its end, before and after it grows.
func constantAddresses() (out []function) {
	for _, address := range []int64{0, 8, 65528, 65532, 65533, 65536, 131068, 131069, 1<<31 - 1, -1, -4} {
		for _, offset := range []uint64{0, 4, 65532, 65536, 1<<32 - 1} {
			access := func(op byte, value ...byte) []byte {
				return slices.Concat(constOf(opI32, address), value, binary.AppendUvarint([]byte{op, 2}, offset))
			}
			out = append(out,
				function{i32, 0, access(opLoad)},
				function{i32, 0, append(access(opStore, opGet, 0), opGet, 0)},
				function{i32, 0, slices.Concat([]byte{opI32, 1, opGrow, 0, opSet, 0}, access(opLoad))})
		}
	}
	return out
}

// constantTerms add constants around the bounds of an immediate operand.
func constantTerms() (out []function) {
	for _, c := range []int64{0, 1, -1, 1<<31 - 1, 1 << 31, -1 << 31, -1<<31 - 1, 1<<32 - 1, 1 << 32, 1 << 62, -1 << 63} {
		out = append(out, function{i64, 0, slices.Concat([]byte{opGet, 0}, constOf(opI64, c), []byte{opAdd64})})
	}
	return out
}

// recursions recurse to a small depth, and without end, with frames of many sizes: locals that live
// across the call are spilled. A function returns the depth and the sum of its locals.
func recursions() (out []function) {
	for _, locals := range []int{1, 20, 90, 110, 112, 114, 116, 118, 120, 122, 124, 126, 128, 130, 140, 300, 1500} {
		self := len(out)
		body := []byte{opGet, 0, opIf, none}
		for i := range locals {
			body = append(append(body, opGet, 0, opExtend), constOf(opI64, int64(i))...)
			body = binary.AppendUvarint(append(body, opAdd64, opSet), uint64(i+1))
		}
		body = append(body, opGet, 0, opI32, 1, opSub32)
		body = append(binary.AppendUvarint(append(body, opCall), uint64(self)), opExtend)
		for i := range locals {
			body = append(binary.AppendUvarint(append(body, opGet), uint64(i+1)), opAdd64)
		}
		body = append(body, opWrap, opReturn, opEnd, opI32, 0)
		bounded := slices.Concat([]byte{opGet, 0}, constOf(opI32, 1023), []byte{opAnd32, opCall}, binary.AppendUvarint(nil, uint64(self)))
		out = append(out, function{i32, locals, body}, function{i32, 0, bounded})
	}
	return out
}

// divisions divide by constants: powers of two, numbers beside them, and those for which a division traps.
func divisions() (out []function) {
	for k := range 64 {
		for _, d := range []int64{1 << k, 1<<k - 1, -1 << k} {
			out = append(out, function{i64, 0, slices.Concat([]byte{opGet, 0}, constOf(opI64, d), []byte{opDivS64})},
				function{i64, 0, slices.Concat(constOf(opI64, -1<<63), constOf(opI64, d), []byte{opDivS64})})
			if k < 32 {
				d = int64(int32(d))
				out = append(out, function{i32, 0, slices.Concat(constOf(opI32, -1<<31), constOf(opI32, d), []byte{opDivS32})})
				out = append(out, function{i32, 0, slices.Concat([]byte{opGet, 0}, constOf(opI32, d), []byte{opDivS32})})
				// The dividend is negative, and so is its upper half before it is cut.
				out = append(out, function{i64, 0, slices.Concat([]byte{opGet, 0, opWrap}, constOf(opI32, -7), []byte{opAdd32},
					constOf(opI32, d), []byte{opDivS32, opExtend})})
			}
		}
	}
	return out
}

// shuffles are loops whose variables change places in each iteration, more or fewer of them than there are registers: some
// are kept, some are copied, and some change only where a function is called, in an inner loop too.
func shuffles() []function {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same modules in each run
	out := []function{{i32, 0, []byte{opGet, 0, opI32, 1, opAdd32}}}
	for i := range 120 {
		n := []int{2, 5, 11, 13, 14, 15, 16, 30, 60}[i%9]
		counter, inner := uint64(n+1), uint64(n+2)
		get := func(l uint64) []byte { return binary.AppendUvarint([]byte{opGet}, l) }
		set := func(l uint64) []byte { return binary.AppendUvarint([]byte{opSet}, l) }
		variable := func() uint64 { return uint64(1 + rng.IntN(n)) }
		// move sets variables to others at once.
		move := func() (body []byte) {
			perm := rng.Perm(n)[:1+rng.IntN(n)]
			for _, p := range perm {
				from := uint64(1 + p)
				if rng.IntN(4) == 0 {
					from = variable()
				}
				body = append(body, get(from)...)
			}
			slices.Sort(perm[:rng.IntN(len(perm)+1)])
			for _, p := range perm {
				body = append(body, set(uint64(1+p))...)
			}
			return body
		}
		// rarely calls the first function if a bit of the counter is set.
		rarely := func(counter uint64) []byte {
			v := variable()
			return slices.Concat(get(counter), []byte{opI64, byte(1 << rng.IntN(3)), opAnd64, opWrap, opIf, none},
				get(v), []byte{opWrap, opCall, 0, opExtend}, get(variable()), []byte{opAdd64}, set(v), []byte{opEnd})
		}
		// loop repeats its body as often as the low bits of the parameter say.
		loop := func(counter uint64, body ...[]byte) []byte {
			return slices.Concat([]byte{opGet, 0, opExtend, opI64, 15, opAnd64}, set(counter), []byte{opLoop, none}, slices.Concat(body...),
				get(counter), []byte{opI64, 1, opSub64}, set(counter),
				get(counter), []byte{opI64, 0x40 - 1, opAnd64, opWrap, opI32, 15, opAnd32, opBrIf, 0, opEnd})
		}
		var body []byte
		for l := range n {
			body = slices.Concat(body, []byte{opGet, 0, opExtend}, constOf(opI64, int64(l*l)), []byte{opAdd64}, set(uint64(l+1)))
		}
		// arms branch by the counter to parts of their own, of which some call and some join others after them.
		arms := func(counter uint64) []byte {
			const n = 8
			body := slices.Concat(bytes.Repeat([]byte{opBlock, none}, n+1), get(counter), []byte{opWrap, opI32, n - 1, opAnd32, opBrTable, n - 1})
			for arm := range n {
				body = append(body, byte(arm))
			}
			for arm := range n {
				body = append(body, opEnd)
				if rng.IntN(2) == 0 {
					body = append(body, move()...)
				}
				for range rng.IntN(3) {
					v := variable()
					body = slices.Concat(body, get(v), []byte{opWrap, opCall, 0, opExtend}, set(v))
				}
				if rng.IntN(2) == 0 {
					body = slices.Concat(body, rarely(counter), move())
				}
				body = append(body, opBr, byte(n-1-arm))
				if rng.IntN(3) == 0 {
					body[len(body)-2], body[len(body)-1] = opNop, opNop // go on with the next one
				}
			}
			return append(body, opEnd)
		}
		parts := [][]byte{move(), rarely(counter), move()}
		if i%3 == 0 {
			parts = [][]byte{arms(counter)}
		}
		if i%2 == 0 {
			parts = append(parts, loop(inner, move(), rarely(inner)), move())
		}
		body = append(body, loop(counter, parts...)...)
		body = append(body, opI64, 0)
		for l := range n {
			body = slices.Concat(body, constOf(opI64, int64(l)), []byte{opAdd64}, get(uint64(l+1)), []byte{opAdd64},
				// The places of the variables make a difference.
				get(uint64(l+1)), []byte{opI64, 3, opAnd64, opAdd64})
		}
		out = append(out, function{i32, n + 2, append(body, opWrap)})
	}
	return out
}

// TestCompilersAgreeAtEdges runs modules at the edges of what the patch changes: tables, constant
// addresses and terms, the end of the native stack, divisions by constants, and variables of loops.
func TestCompilersAgreeAtEdges(t *testing.T) {
	stock, patched := build(t, "./runtime/sandbox/wazeropatch/wasmrun")
	dir := t.TempDir()
	for name, functions := range map[string][]function{
		"tables": maskedTables(), "addresses": constantAddresses(), "terms": constantTerms(), "recursions": recursions(),
		"divisions": divisions(), "shuffles": shuffles(),
	} {
		must(t, os.WriteFile(filepath.Join(dir, name+".wasm"), moduleOf(functions), 0o644))
	}
	want, got := lines(t, stock, dir), lines(t, patched, dir)
	for i := range want {
		if i >= len(got) || !bytes.Equal(want[i], got[i]) {
			t.Errorf("line %d differs:\nwazero as released: %s\nthe patched copy:   %s", i, want[i], bytes.Join(got[i:min(i+1, len(got))], nil))
		}
	}
	all := bytes.Join(want, []byte("\n"))
	for _, s := range []string{"ok, ok, ok, ok", "out of bounds memory access", "stack overflow"} {
		if !bytes.Contains(all, []byte(s)) {
			t.Errorf("no call ends with %q: %s", s, all)
		}
	}
	if bytes.Contains(all, []byte("is not")) {
		t.Errorf("a module is not run: %s", all)
	}
}
