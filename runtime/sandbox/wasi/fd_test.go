package wasi

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestStdio(t *testing.T) {
	r := newRig(t)
	if s, err := r.read(0, 100); s != "" || err != success {
		t.Errorf("stdin returned %q, errno %d", s, err)
	}
	for stream := uint32(1); stream <= 2; stream++ {
		n, err := r.write(stream, "some text")
		if n != 9 || err != success || r.control.logged[stream].String() != "some text" {
			t.Errorf("stream %d: %d bytes, errno %d, logged %q", stream, n, err, &r.control.logged[stream])
		}
		_, err = r.read(stream, 1)
		r.want("read", err, eBADF)
	}
	_, err := r.write(0, "x")
	r.want("write to stdin", err, eBADF)
	for fd := range uint64(3) {
		r.want("sync", r.call("fd_sync", fd), success)
		r.want("size", r.call("fd_filestat_set_size", fd, 0), eINVAL)
		r.want("times", r.call("fd_filestat_set_times", fd, 0, 0, 2), eINVAL)
		r.want("pread", r.call("fd_pread", fd, atVector, 0, 0, atResult), eSPIPE)
		r.want("advise", r.call("fd_advise", fd, 0, 0, 0), eSPIPE)
		r.want("fdstat", r.call("fd_fdstat_get", fd, atResult), success)
		stat, _ := r.mem.Read(atResult, 24)
		if rights := stat[8]; stat[0] == typeCharacterDevice && rights&(rightSeek|rightTell) == 0 {
			t.Error("wasi-libc takes it for a terminal")
		}
	}
}

func TestManyVectors(t *testing.T) {
	r := newRig(t)
	fd := r.mustOpen("tmp/f", openCreate, forBoth)
	r.put(atBuffer, "ab")
	vectors := func(count int) errno {
		for i := range uint32(count) {
			r.mem.WriteUint32Le(atVector+8*i, atBuffer+i%2)
			r.mem.WriteUint32Le(atVector+8*i+4, i%3)
		}
		return r.call("fd_write", uint64(fd), atVector, uint64(count), atResult)
	}
	r.want("most", vectors(maxVectors), success)
	var want strings.Builder
	for i := range maxVectors {
		want.WriteString("ab\x00"[i%2 : i%2+i%3])
	}
	if got := r.load("tmp/f"); got != want.String() {
		t.Errorf("%d bytes, want %d", len(got), want.Len())
	}
	r.want("too many", vectors(maxVectors+1), eINVAL)
	r.want("far too many", r.call("fd_write", uint64(fd), atVector, 1<<29, atResult), eINVAL)
	// Overlapping buffers whose sum is larger than the memory, and than the largest size that can
	// be returned.
	for i := range uint32(maxVectors) {
		r.mem.WriteUint32Le(atVector+8*i, 0)
		r.mem.WriteUint32Le(atVector+8*i+4, r.mem.Size())
	}
	r.want("2 GiB", r.call("fd_write", 1, atVector, maxVectors, atResult), eINVAL)
	r.want("2 GiB", r.call("fd_pread", uint64(fd), atVector, maxVectors, 0, atResult), eINVAL)
}

// TestVectorsReadOnce reads into the array of buffers itself.
func TestVectorsReadOnce(t *testing.T) {
	r := newRig(t)
	r.store("tmp/f", strings.Repeat("\xff", 16)+"tail")
	fd := r.mustOpen("tmp/f", 0, forReading)
	for i, v := range [][2]uint32{{atVector, 16}, {atBuffer, 4}} {
		r.mem.WriteUint32Le(atVector+8*uint32(i), v[0])
		r.mem.WriteUint32Le(atVector+8*uint32(i)+4, v[1])
	}
	r.want("read", r.call("fd_read", uint64(fd), atVector, 2, atResult), success)
	if tail, _ := r.mem.Read(atBuffer, 4); string(tail) != "tail" || r.result() != 20 {
		t.Errorf("%q, %d bytes", tail, r.result())
	}
}

func TestRenumberAndClose(t *testing.T) {
	r := newRig(t)
	renumber := func(from, to uint64) errno { return r.call("fd_renumber", from, to) }
	fd := r.mustOpen("tmp/f", openCreate, forBoth)
	r.want("onto stdout", renumber(uint64(fd), 1), success)
	r.write(1, "captured")
	if got := r.load("tmp/f"); got != "captured" || r.control.logged[1].Len() != 0 {
		t.Errorf("the file holds %q", got)
	}
	r.want("moved", r.close(fd), eBADF)
	for _, to := range []uint64{fdBeyond, 1<<32 - 1, 200} {
		r.want("onto nothing", renumber(1, to), eBADF)
		r.want("of nothing", renumber(to, 1), eBADF)
	}
	r.want("onto itself", renumber(1, 1), success)
	r.want("the preopen moves", renumber(3, 2), success)
	r.want("prestat", r.call("fd_prestat_get", 2, atResult), success)
	r.want("prestat", r.call("fd_prestat_get", 3, atResult), eBADF)
	r.want("it opens", r.call("path_unlink_file", 2, atPath, 0), eNOENT)
	for fd := range uint32(4) {
		r.close(fd)
	}
	_, err := r.open("root", 0, forReading)
	r.want("no preopen", err, eBADF)
	r.check()
	r.reset(nil)
	_, err = r.write(1, "back")
	r.want("stdout", err, success)
	if r.control.logged[1].String() != "back" {
		t.Error("stdout is not back")
	}
	if got := r.names("."); !slices.Contains(got, "tmp") {
		t.Errorf("the root holds %q", got)
	}
}

// fdBeyond is a descriptor number just beyond the table.
const fdBeyond = 5

func TestPrestat(t *testing.T) {
	r := newRig(t)
	r.want("prestat", r.call("fd_prestat_get", 3, atResult), success)
	if tag, n := r.result(), r.result64()>>32; tag != 0 || n != 1 {
		t.Errorf("tag %d, length %d", tag, n)
	}
	r.want("name", r.call("fd_prestat_dir_name", 3, atBuffer, 1), success)
	if name, _ := r.mem.Read(atBuffer, 1); string(name) != "/" {
		t.Errorf("%q", name)
	}
	r.want("no room", r.call("fd_prestat_dir_name", 3, atBuffer, 0), eNAMETOOLONG)
	r.want("the end", r.call("fd_prestat_get", 4, atResult), eBADF)
	r.want("opened, not preopened", r.call("fd_prestat_get", uint64(r.mustOpen(".", 0, forReading)), atResult), eBADF)
}

func TestFdFlags(t *testing.T) {
	r := newRig(t)
	r.store("tmp/f", "0123456789")
	fd := r.mustOpen("tmp/f", 0, forBoth)
	r.want("set", r.call("fd_fdstat_set_flags", uint64(fd), flagAppend), success)
	r.write(fd, "end")
	if got := r.load("tmp/f"); got != "0123456789end" {
		t.Errorf("%q", got)
	}
	r.call("fd_fdstat_get", uint64(fd), atResult)
	if stat, _ := r.mem.Read(atResult, 24); stat[2] != flagAppend || stat[0] != typeRegular {
		t.Errorf("fdstat % x", stat)
	}
	r.pwrite(fd, "X", 0) // POSIX: the offset counts
	if got := r.load("tmp/f"); got != "X123456789end" {
		t.Errorf("%q", got)
	}
	r.want("unknown flag", r.call("fd_fdstat_set_flags", uint64(fd), 32), eINVAL)
	r.want("wide flag", r.call("fd_fdstat_set_flags", uint64(fd), 1<<16), eINVAL)
}

func TestArguments(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name string
		want []string
	}{{"args", []string{"python", "-c", ""}}, {"environ", []string{"A=1", "PATH=/usr/bin"}}} {
		r.want("sizes", r.call(c.name+"_sizes_get", atResult, atResult+4), success)
		count, size := r.result(), uint32(r.result64()>>32)
		r.want("get", r.call(c.name+"_get", atVector, atBuffer), success)
		data, _ := r.mem.Read(atBuffer, size)
		if got := strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
		last, _ := r.mem.ReadUint32Le(atVector + 4*(count-1))
		if want := atBuffer + size - uint32(len(c.want[count-1])) - 1; last != want {
			t.Errorf("%s: the last is at %#x, want %#x", c.name, last, want)
		}
		end := uint64(r.mem.Size())
		r.want("outside", r.call(c.name+"_get", end-4, atBuffer), eFAULT)
		r.want("outside", r.call(c.name+"_get", atVector, end-1), eFAULT)
		r.want("outside", r.call(c.name+"_sizes_get", end, atResult), eFAULT)
	}
}

func TestRandom(t *testing.T) {
	r := newRig(t)
	r.want("random", r.call("random_get", atBuffer, 1_000_000), success)
	p, _ := r.mem.Read(atBuffer, 1_000_000)
	counts := [256]int{}
	for _, b := range p {
		counts[b]++
	}
	if slices.Min(counts[:]) < 3000 {
		t.Error("not random to the end")
	}
	if want := 1_000_000 / randomPiece; r.control.checkpoints < want {
		t.Errorf("%d checkpoints, want %d", r.control.checkpoints, want)
	}
	r.want("outside", r.call("random_get", atBuffer, 1<<32-1), eFAULT)
	r.sys.random = io.MultiReader(strings.NewReader("short"), failingReader{})
	r.want("a failing source", r.call("random_get", atBuffer, 100), eIO)
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestUnsupportedFunctions(t *testing.T) {
	r := newRig(t)
	r.want("proc_raise", r.call("proc_raise", 9), eNOSYS)
	r.want("set_rights", r.call("fd_fdstat_set_rights", 1, 0, 0), eNOSYS)
	for _, f := range functions {
		switch f.name {
		case "sock_found", "sock_look_up", "sock_open", "sock_pair", "sock_reason", "sock_resolve":
			continue // they take no descriptor, or return EAI codes
		}
		if !strings.HasPrefix(f.name, "sock_") {
			continue
		}
		params := make([]uint64, len(f.params))
		params[0] = 1
		r.want(f.name, r.call(f.name, params...), eNOTSOCK)
		params[0] = 99
		r.want(f.name, r.call(f.name, params...), eBADF)
	}
	if got := recovered(func() { r.call("proc_exit", 1<<32|7) }); got != (exit{7}) {
		t.Errorf("proc_exit panics with %v", got)
	}
}

// TestCheckpoints counts the checkpoints during long work.
func TestCheckpoints(t *testing.T) {
	r := newRig(t)
	fd := r.mustOpen("tmp/f", openCreate, forBoth)
	work := func(what string, bytes int, f func()) {
		before := r.control.checkpoints
		f()
		// Each checkpoint may be one block late.
		if got, want := r.control.checkpoints-before, bytes/(workPerCheckpoint+blockSize); got < want {
			t.Errorf("%s: %d checkpoints for %d bytes, want %d", what, got, bytes, want)
		}
	}
	const size = 1 << 20
	r.vector(0, size)
	work("write", size, func() { r.call("fd_write", uint64(fd), atVector, 1, atResult) })
	work("read", size, func() { r.call("fd_pread", uint64(fd), atVector, 1, 0, atResult) })
	work("holes", size, func() {
		r.want("grow", r.call("fd_filestat_set_size", uint64(fd), 50<<20), success)
		r.vector(0, size)
		r.call("fd_pread", uint64(fd), atVector, 1, 40<<20, atResult)
	})
	work("log", size, func() {
		r.vector(0, size/4)
		for range 4 {
			r.call("fd_write", 1, atVector, 1, atResult)
		}
	})
	zip := r.mustOpen("usr/lib/python313.zip", 0, forReading)
	work("tree", 10*160_000, func() {
		for range 10 {
			r.pread(zip, 160_000, 0)
		}
	})
	work("yield", workPerCheckpoint+blockSize, func() { r.call("sched_yield") })
}
