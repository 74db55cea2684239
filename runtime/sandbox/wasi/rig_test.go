package wasi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// exit is what the fake control panics with when the guest exits.
type exit struct{ code uint32 }

// fakeControl is a run that grants and notes everything, until told otherwise.
type fakeControl struct {
	clock       *fakeClock
	logged      [3]bytes.Buffer
	charged     int64
	most        int64 // refuse to charge beyond this
	peak        int64
	slept       []time.Duration
	checkpoints int
	onSleep     func()
	onCheck     func()
}

func (c *fakeControl) Sleep(d time.Duration) {
	c.slept = append(c.slept, d)
	if c.onSleep != nil {
		c.onSleep()
	}
	c.clock.wall += int64(d)
	c.clock.monotonic += int64(d)
}

func (c *fakeControl) Exit(code uint32) { panic(exit{code}) }

func (c *fakeControl) Log(stream int, p []byte) { c.logged[stream].Write(p) }

func (c *fakeControl) Charge(n int64) bool {
	if n > 0 && c.charged+n > c.most {
		return false
	}
	c.charged += n
	c.peak = max(c.peak, c.charged)
	return true
}

func (c *fakeControl) Checkpoint() {
	c.checkpoints++
	if c.onCheck != nil {
		c.onCheck()
	}
}

// fakeClock stands still unless moved.
type fakeClock struct{ wall, monotonic int64 }

func (c *fakeClock) Now() (int64, int64) { return c.wall, c.monotonic }

// rig is a System and a guest's memory to call its functions with.
type rig struct {
	t       testing.TB
	sys     *System
	control *fakeControl
	clock   *fakeClock
	mem     guest
	kept    int64 // charged for what went into a State since the last reset
}

// testTree is what the rigs see besides /tmp.
var testTree = map[string][]byte{
	"/usr/lib/python313.zip": bytes.Repeat([]byte("0123456789abcdef"), 10_000),
	"/usr/lib/empty":         nil,
	"/usr/share/a/b/c":       []byte("deep"),
	"root":                   []byte("at the root"),
}

func mustTree(t testing.TB) *Tree {
	tree, err := NewTree(testTree)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

const testPages = 32

// Where the rig puts things in guest memory.
const (
	atPath   = 0x1000
	atPath2  = 0x12000
	atVector = 0x30000
	atResult = 0x38000
	atBuffer = 0x40000
)

func newRig(t testing.TB) *rig { return newRigOn(t, mustTree(t), testPages) }

func newRigOn(t testing.TB, tree *Tree, pages byte) *rig {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { rt.Close(ctx) })
	m, err := rt.Instantiate(ctx, guestModule(pages, nil))
	if err != nil {
		t.Fatal(err)
	}
	clock := &fakeClock{wall: 1_700_000_000e9, monotonic: 5e9}
	control := &fakeControl{clock: clock, most: math.MaxInt64}
	sys, err := New(Config{
		Tree: tree, Clock: clock, Random: randomReader{rand.New(rand.NewPCG(1, 2))}, Control: control,
		Args: []string{"python", "-c", ""}, Env: []string{"A=1", "PATH=/usr/bin"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, sys: sys, control: control, clock: clock, mem: guest{m.Memory()}}
}

type randomReader struct{ r *rand.Rand }

func (r randomReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.r.Uint32())
	}
	return len(p), nil
}

// functionNamed finds a function in the table.
func functionNamed(name string) function {
	for _, f := range functions {
		if f.name == name {
			return f
		}
	}
	panic("no function " + name)
}

// call calls a function with these parameters.
func (r *rig) call(name string, params ...uint64) errno {
	f := functionNamed(name)
	if len(params) != len(f.params) {
		r.t.Fatalf("%s takes %d parameters, not %d", name, len(f.params), len(params))
	}
	return f.call(r.sys, r.mem, params)
}

func (r *rig) put(at uint32, data string) (uint64, uint64) {
	if !r.mem.WriteString(at, data) {
		r.t.Fatalf("%d bytes do not fit at %#x", len(data), at)
	}
	return uint64(at), uint64(len(data))
}

func (r *rig) result() uint32 {
	v, _ := r.mem.ReadUint32Le(atResult)
	return v
}

func (r *rig) result64() uint64 {
	v, _ := r.mem.ReadUint64Le(atResult)
	return v
}

// Rights as wasi-libc asks for them.
const (
	forReading = uint64(rightRead)
	forWriting = uint64(rightWrite)
	forBoth    = forReading | forWriting
)

func (r *rig) openAt(dir uint32, path string, flags uint32, rights uint64, fdflags uint32) (uint32, errno) {
	at, n := r.put(atPath, path)
	err := r.call("path_open", uint64(dir), 0, at, n, uint64(flags), rights, 0, uint64(fdflags), atResult)
	return r.result(), err
}

// open opens a path below the preopen.
func (r *rig) open(path string, flags uint32, rights uint64) (uint32, errno) {
	return r.openAt(3, path, flags, rights, 0)
}

func (r *rig) mustOpen(path string, flags uint32, rights uint64) uint32 {
	r.t.Helper()
	fd, err := r.open(path, flags, rights)
	r.want("open "+path, err, success)
	return fd
}

func (r *rig) write(fd uint32, data string) (int, errno) {
	at, n := r.put(atBuffer, data)
	r.vector(at, n)
	err := r.call("fd_write", uint64(fd), atVector, 1, atResult)
	return int(r.result()), err
}

func (r *rig) pwrite(fd uint32, data string, offset int64) (int, errno) {
	at, n := r.put(atBuffer, data)
	r.vector(at, n)
	err := r.call("fd_pwrite", uint64(fd), atVector, 1, uint64(offset), atResult)
	return int(r.result()), err
}

func (r *rig) vector(at, n uint64) {
	r.mem.WriteUint32Le(atVector, uint32(at))
	r.mem.WriteUint32Le(atVector+4, uint32(n))
}

func (r *rig) read(fd uint32, n int) (string, errno) {
	r.vector(atBuffer, uint64(n))
	if err := r.call("fd_read", uint64(fd), atVector, 1, atResult); err != success {
		return "", err
	}
	p, _ := r.mem.Read(atBuffer, r.result())
	return string(p), success
}

func (r *rig) pread(fd uint32, n int, offset int64) (string, errno) {
	r.vector(atBuffer, uint64(n))
	if err := r.call("fd_pread", uint64(fd), atVector, 1, uint64(offset), atResult); err != success {
		return "", err
	}
	p, _ := r.mem.Read(atBuffer, r.result())
	return string(p), success
}

func (r *rig) seek(fd uint32, offset int64, whence uint32) (int64, errno) {
	err := r.call("fd_seek", uint64(fd), uint64(offset), uint64(whence), atResult)
	return int64(r.result64()), err
}

func (r *rig) close(fd uint32) errno { return r.call("fd_close", uint64(fd)) }

// onPath calls a function that takes a directory and a path.
func (r *rig) onPath(name string, dir uint32, path string) errno {
	at, n := r.put(atPath, path)
	return r.call(name, uint64(dir), at, n)
}

func (r *rig) mkdir(path string) errno  { return r.onPath("path_create_directory", 3, path) }
func (r *rig) rmdir(path string) errno  { return r.onPath("path_remove_directory", 3, path) }
func (r *rig) unlink(path string) errno { return r.onPath("path_unlink_file", 3, path) }

func (r *rig) rename(from, to string) errno { return r.renameAt(3, from, 3, to) }

func (r *rig) renameAt(dir uint32, from string, dir2 uint32, to string) errno {
	at, n := r.put(atPath, from)
	at2, n2 := r.put(atPath2, to)
	return r.call("path_rename", uint64(dir), at, n, uint64(dir2), at2, n2)
}

// stat decodes what path_filestat_get tells.
func (r *rig) statAt(dir uint32, path string) (filestat, errno) {
	at, n := r.put(atPath, path)
	err := r.call("path_filestat_get", uint64(dir), 1, at, n, atResult)
	return r.filestat(), err
}

func (r *rig) stat(path string) (filestat, errno) { return r.statAt(3, path) }

func (r *rig) fstat(fd uint32) (filestat, errno) {
	err := r.call("fd_filestat_get", uint64(fd), atResult)
	return r.filestat(), err
}

func (r *rig) filestat() filestat {
	v := func(i uint32) uint64 { v, _ := r.mem.ReadUint64Le(atResult + 8*i); return v }
	return filestat{v(0), v(1), uint8(v(2)), v(3), v(4), int64(v(5)), int64(v(6)), int64(v(7))}
}

// dirent is one entry of a listing.
type dirent struct {
	next, number uint64
	fileType     uint8
	name         string
}

// readdir reads one listing of at most size bytes.
func (r *rig) readdir(fd uint32, size uint32, cookie uint64) ([]dirent, errno) {
	if err := r.call("fd_readdir", uint64(fd), atBuffer, uint64(size), cookie, atResult); err != success {
		return nil, err
	}
	p, _ := r.mem.Read(atBuffer, r.result())
	var list []dirent
	for len(p) >= direntSize {
		n := binary.LittleEndian.Uint32(p[16:])
		if uint32(len(p)) < direntSize+n {
			break
		}
		list = append(list, dirent{
			binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:]), p[20], string(p[direntSize : direntSize+n]),
		})
		p = p[direntSize+n:]
	}
	return list, success
}

// names lists a directory, without "." and "..".
func (r *rig) names(path string) []string {
	r.t.Helper()
	fd := r.mustOpen(path, openDirectory, forReading)
	defer r.close(fd)
	var names []string
	cookie := uint64(0)
	for {
		list, err := r.readdir(fd, 2048, cookie)
		r.want("readdir "+path, err, success)
		if len(list) == 0 {
			return names
		}
		for _, e := range list {
			cookie = e.next
			if e.name != "." && e.name != ".." {
				names = append(names, e.name)
			}
		}
	}
}

// store makes a file with that content.
func (r *rig) store(path, content string) {
	r.t.Helper()
	fd := r.mustOpen(path, openCreate|openTruncate, forWriting)
	n, err := r.write(fd, content)
	r.want("write "+path, err, success)
	if n != len(content) {
		r.t.Fatalf("write %s: %d of %d bytes", path, n, len(content))
	}
	r.want("close", r.close(fd), success)
}

// load reads a whole file.
func (r *rig) load(path string) string {
	r.t.Helper()
	fd := r.mustOpen(path, 0, forReading)
	defer r.close(fd)
	var all bytes.Buffer
	for {
		s, err := r.read(fd, 100_000)
		r.want("read "+path, err, success)
		if s == "" {
			return all.String()
		}
		all.WriteString(s)
	}
}

func (r *rig) want(what string, got, want errno) {
	r.t.Helper()
	if got != want {
		r.t.Fatalf("%s: errno %d, want %d", what, got, want)
	}
}

// check verifies that what is counted is what is there.
func (r *rig) check() {
	r.t.Helper()
	if err := r.sys.audit(r.kept); err != nil {
		r.t.Fatal(err)
	}
	if r.sys.charged != r.control.charged {
		r.t.Fatalf("the System says %d bytes are charged, the Control %d", r.sys.charged, r.control.charged)
	}
}

// reset begins a run.
func (r *rig) reset(state *State) {
	r.sys.Reset(state, Limits{})
	r.kept = 0
}

// capture makes a State; the run goes on.
func (r *rig) capture() *State {
	state := r.sys.Capture()
	if state != nil {
		r.kept = r.sys.charged
	}
	return state
}

// audit recounts all that the System keeps count of. Of what is charged, kept bytes belong to States.
func (s *System) audit(kept int64) error {
	var charged, size int64
	files := -1 // /tmp itself does not count
	for slot, n := range s.tmp.nodes {
		if n == nil {
			continue
		}
		files++
		size += n.size
		if !n.linked && !s.isOpen(uint32(slot)) {
			return fmt.Errorf("slot %d is neither linked nor open", slot)
		}
		for _, e := range n.entries.list {
			if c := s.tmp.nodes[e.slot]; c == nil || !c.linked || c.isDir && c.parent != uint32(slot) {
				return fmt.Errorf("slot %d: entry %q is wrong", slot, e.name)
			}
			if i, ok := n.entries.find([]byte(e.name)); !ok || n.entries.list[i].name != e.name {
				return fmt.Errorf("slot %d: entry %q is not found", slot, e.name)
			}
		}
		if s.token == nil || n.owner != s.token {
			continue
		}
		cost := n.cost()
		for _, b := range n.blocks {
			if b.owner == s.token {
				cost += int64(cap(b.data))
			}
		}
		if cost != n.charged {
			return fmt.Errorf("slot %d costs %d, charged are %d", slot, cost, n.charged)
		}
		charged += cost
	}
	switch {
	case files != s.tmp.files:
		return fmt.Errorf("%d files, counted %d", files, s.tmp.files)
	case size != s.tmp.bytes:
		return fmt.Errorf("%d bytes, counted %d", size, s.tmp.bytes)
	case charged+kept != s.charged:
		return fmt.Errorf("%d+%d bytes of memory, charged %d", charged, kept, s.charged)
	}
	return nil
}

// guestModule is a module with a memory of so many pages (below 128) that imports the given functions and exports each under its own name.
func guestModule(pages byte, imports []function) []byte {
	section := func(id byte, items [][]byte) []byte {
		body := binary.AppendUvarint(nil, uint64(len(items)))
		body = append(body, bytes.Join(items, nil)...)
		return append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...)
	}
	name := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	var types, wants, funcs, bodies [][]byte
	exports := [][]byte{append(name("memory"), 2, 0)}
	for i, f := range imports {
		sig := binary.AppendUvarint([]byte{0x60}, uint64(len(f.params)))
		body := []byte{0}
		for j, letter := range f.params {
			sig = append(sig, map[rune]byte{'i': api.ValueTypeI32, 'I': api.ValueTypeI64}[letter])
			body = binary.AppendUvarint(append(body, 0x20), uint64(j)) // local.get j
		}
		if f.name == "proc_exit" {
			sig = append(sig, 0)
		} else {
			sig = append(sig, 1, api.ValueTypeI32)
		}
		body = append(binary.AppendUvarint(append(body, 0x10), uint64(i)), 0x0b) // call i, end
		index := binary.AppendUvarint(nil, uint64(i))
		types = append(types, sig)
		wants = append(wants, bytes.Join([][]byte{name(ModuleName), name(f.name), {0}, index}, nil))
		funcs = append(funcs, index)
		exports = append(exports, binary.AppendUvarint(append(name(f.name), 0), uint64(len(imports)+i)))
		bodies = append(bodies, append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	}
	return bytes.Join([][]byte{
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(2, wants), section(3, funcs),
		section(5, [][]byte{{0, pages}}),
		section(7, exports), section(10, bodies),
	}, nil)
}

// recovered runs f and returns what it panicked with.
func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

var errEnd = errors.New("the run ends")
