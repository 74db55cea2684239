package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// Opcodes that the modules below use.
const (
	opBlock, opIf, opEnd, opBrTable, opReturn, opCall    = 0x02, 0x04, 0x0b, 0x0e, 0x0f, 0x10
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

// TestCompilersAgreeAtEdges runs modules at the edges of what the patch changes: tables, constant
// addresses and terms, and the end of the native stack.
func TestCompilersAgreeAtEdges(t *testing.T) {
	stock, patched := build(t, "./runtime/sandbox/wazeropatch/wasmrun")
	dir := t.TempDir()
	for name, functions := range map[string][]function{
		"tables": maskedTables(), "addresses": constantAddresses(), "terms": constantTerms(), "recursions": recursions(),
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
