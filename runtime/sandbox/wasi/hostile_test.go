package wasi

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// hostilePages is the memory of a hostile guest in pages: small, so that comparing all of it after
// each call is cheap.
const hostilePages = 2

const hostileMemory = hostilePages << 16

// hostilePaths are the paths of a hostile guest, five bytes each.
const hostilePaths = "tmp/a" + "tmp/b" + "tmp/d" + "d/../" + "./tmp" + "tmp/." + "../.." + "roots" + "usr/x" + "tmp/l" + "tmp/m" + "tmp/n" + "tmp/o" + "\xff\xff/\x00x" + "never" + "hosts"

const (
	atHostilePaths   = 0x100
	atHostileVectors = 0x200
	// six addresses: a server's, one that refuses, one that is denied, one of datagrams, one of IPv6
	// and none
	atHostileAddresses = 0x300
	// five subscriptions: descriptors 4 and 5 for reading, 5 for writing, 5 for a hangup, and a clock
	atHostilePoll = 0x400
)

var (
	anyPointer = rapid.OneOf(
		rapid.SampledFrom([]uint64{
			0, 1, atHostilePaths, atHostilePaths + 5, atHostileVectors, atHostileVectors + 8, 0x1000, hostileMemory / 2,
			hostileMemory - 64, hostileMemory - 8, hostileMemory - 4, hostileMemory - 1, hostileMemory,
			math.MaxInt32, math.MaxUint32 - 7, math.MaxUint32 - 4, math.MaxUint32,
		}),
		rapid.Uint64Range(0, hostileMemory),
		rapid.Uint64(), // the upper half of an i32 is arbitrary
	)
	anyLength = rapid.OneOf(
		rapid.Uint64Range(0, 10),
		rapid.SampledFrom([]uint64{
			24, 48, 1000, 1024, 1025, 4096, 4097, hostileMemory - 1, hostileMemory, hostileMemory + 1,
			1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 31, math.MaxUint32 - 1, math.MaxUint32,
		}),
		rapid.Uint64(),
	)
	anyLong = rapid.OneOf(
		rapid.Uint64Range(0, 100_000),
		rapid.SampledFrom([]uint64{
			forReading, forWriting, forBoth, 1 << 16, 1 << 31, 1 << 32, 1 << 40, math.MaxInt64 - 1, math.MaxInt64, 1 << 63, math.MaxUint64,
		}),
		rapid.Uint64(),
	)
	anyI32 = rapid.OneOf(rapid.Uint64Range(0, 8), anyPointer, anyLength)
)

// pathParams holds the parameters in which a function takes the address of a path, so that some
// calls get past the path.
var pathParams = map[string][]int{
	"path_create_directory": {1}, "path_filestat_get": {2}, "path_filestat_set_times": {2}, "path_link": {2, 5}, "path_open": {2},
	"path_readlink": {1}, "path_remove_directory": {1}, "path_rename": {1, 4}, "path_symlink": {0, 3}, "path_unlink_file": {1},
}

// sane replaces some parameters by others that are likely to be accepted.
func sane(t *rapid.T, f function, p []uint64) {
	if f.params != "" && f.params[0] == 'i' {
		p[0] = rapid.Uint64Range(0, 11).Draw(t, "fd")
	}
	for _, i := range pathParams[f.name] {
		if i > 0 && rapid.IntRange(0, 3).Draw(t, "preopen") > 0 {
			p[0] = 3
		}
		p[i] = atHostilePaths + 5*rapid.Uint64Range(0, 13).Draw(t, "path")
		p[i+1] = 5
	}
	switch f.name {
	case "fd_read", "fd_write", "fd_pread", "fd_pwrite":
		p[1] = atHostileVectors + 8*rapid.Uint64Range(0, 3).Draw(t, "first vector")
		p[2] = rapid.Uint64Range(0, 4).Draw(t, "vectors")
		p[len(p)-1] = 0x1000
	case "sock_open":
		p[0] = rapid.SampledFrom([]uint64{afInet, afInet6}).Draw(t, "family")
		p[1] = rapid.Uint64Range(1, 2).Draw(t, "type")
		p[2] = 0x1000
	case "sock_pair":
		p[0], p[1] = p[0]%2+1, 0x1000
	case "sock_connect":
		p[1] = atHostileAddresses + addressSize*rapid.Uint64Range(0, 5).Draw(t, "address")
	case "sock_send_to", "sock_recv_from":
		p[1], p[2], p[3], p[5] = 0x2000, p[2]%5000, p[3]&msgDontWait, 0x1000
		p[4] = rapid.SampledFrom([]uint64{0, atHostileAddresses, atHostileAddresses + addressSize, atHostileAddresses + 3*addressSize}).Draw(t, "address")
	case "sock_recv", "sock_send":
		p[1] = atHostileVectors + 8*rapid.Uint64Range(0, 3).Draw(t, "first vector")
		p[2], p[4] = rapid.Uint64Range(0, 4).Draw(t, "vectors"), 0x1000
		if f.name == "sock_recv" {
			p[5] = 0x1010
		}
	case "sock_getopt", "sock_setopt":
		p[1] = rapid.SampledFrom([]uint64{solSocket, solTCP, solIPv6}).Draw(t, "level")
		p[2] = rapid.Uint64Range(0, 40).Draw(t, "option")
		if f.name == "sock_getopt" {
			p[3] = 0x1000
		}
	case "sock_shutdown":
		p[1] %= 4
	case "sock_resolve":
		p[0], p[1], p[2], p[3], p[4] = atHostilePaths+20, 5, 0, 0x4000, atHostileVectors
	case "sock_look_up":
		p[0], p[1], p[2], p[3] = atHostilePaths+5*rapid.Uint64Range(14, 15).Draw(t, "name"), 5, 0, 0x1000
	case "sock_found":
		p[1], p[2] = 0x4000, atHostileVectors
	case "poll_oneoff":
		p[0], p[1], p[2], p[3] = atHostilePoll, 0x5000, rapid.Uint64Range(1, 5).Draw(t, "subscriptions"), 0x1000
	case "path_open":
		p[4] &= openFlagsAll &^ openDirectory
		p[7] &= flagAppend
		p[8] = 0x1000
	case "path_rename":
		p[3] = 3
	case "path_link":
		p[4] = 3
	case "path_symlink":
		p[2] = 3
	case "path_readlink":
		p[3], p[4], p[5] = 0x3000, p[4]%100, 0x1000
	case "tls_call":
		saneTLS(t, p)
	case "fd_dup":
		p[1] = rapid.SampledFrom([]uint64{0, 4, 9, 11, 13, 14, math.MaxUint32}).Draw(t, "to")
		p[2] = 0x1000
	}
}

// writes lists the memory to which a call may write, as pairs of address and length.
func writes(f function, p []uint64, s *System, before []byte) [][2]uint64 {
	at := func(i int, n uint64) [2]uint64 { return [2]uint64{uint64(uint32(p[i])), n} }
	list := func(pointers, data int, l stringList) [][2]uint64 {
		return [][2]uint64{at(pointers, uint64(4*len(l.offsets))), at(data, uint64(len(l.data)))}
	}
	switch f.name {
	case "args_get":
		return list(0, 1, s.args)
	case "environ_get":
		return list(0, 1, s.env)
	case "args_sizes_get", "environ_sizes_get":
		return [][2]uint64{at(0, 4), at(1, 4)}
	case "clock_res_get", "fd_tell", "fd_prestat_get":
		return [][2]uint64{at(1, 8)}
	case "clock_time_get":
		return [][2]uint64{at(2, 8)}
	case "fd_fdstat_get":
		return [][2]uint64{at(1, 24)}
	case "fd_filestat_get":
		return [][2]uint64{at(1, filestatSize)}
	case "path_filestat_get":
		return [][2]uint64{at(4, filestatSize)}
	case "fd_prestat_dir_name":
		return [][2]uint64{at(1, uint64(len(preopenName)))}
	case "fd_seek":
		return [][2]uint64{at(3, 8)}
	case "fd_write":
		return [][2]uint64{at(3, 4)}
	case "fd_pwrite":
		return [][2]uint64{at(4, 4)}
	case "path_open":
		return [][2]uint64{at(8, 4)}
	case "sock_open":
		return [][2]uint64{at(2, 4)}
	case "sock_pair":
		return [][2]uint64{at(1, 8)}
	case "sock_name":
		return [][2]uint64{at(2, addressSize)}
	case "sock_getopt":
		return [][2]uint64{at(3, 4)}
	case "sock_reason":
		return [][2]uint64{at(0, uint64(uint32(p[1]))), at(2, 4)}
	case "sock_send":
		return [][2]uint64{at(4, 4)}
	case "sock_send_to":
		return [][2]uint64{at(5, 4)}
	case "sock_recv_from":
		ranges := [][2]uint64{at(1, uint64(uint32(p[2]))), at(5, 4)}
		if uint32(p[4]) != 0 {
			ranges = append(ranges, at(4, addressSize))
		}
		return ranges
	case "sock_resolve":
		room := min(binary.LittleEndian.Uint32(before[uint32(p[4]):]), 64)
		return [][2]uint64{at(3, uint64(room)*addressSize), at(4, 4)}
	case "sock_found":
		room := min(binary.LittleEndian.Uint32(before[uint32(p[2]):]), 64)
		return [][2]uint64{at(1, uint64(room)*addressSize), at(2, 4)}
	case "sock_look_up":
		return [][2]uint64{at(3, 4)}
	case "path_readlink":
		return [][2]uint64{at(3, min(uint64(uint32(p[4])), uint64(s.limits.PathLength))), at(5, 4)}
	case "fd_dup":
		return [][2]uint64{at(2, 4)}
	case "tmp_usage":
		return [][2]uint64{at(0, 32)}
	case "tls_call":
		return [][2]uint64{at(4, uint64(uint32(p[5]))), at(7, 8)}
	case "random_get":
		return [][2]uint64{at(0, uint64(uint32(p[1])))}
	case "fd_readdir":
		return [][2]uint64{at(1, uint64(uint32(p[2]))), at(4, 4)}
	case "poll_oneoff":
		return [][2]uint64{at(1, uint64(uint32(p[2]))*eventSize), at(3, 4)}
	case "fd_read", "fd_pread", "sock_recv":
		ranges := [][2]uint64{at(len(p)-1, 4)}
		if f.name == "sock_recv" {
			ranges = [][2]uint64{at(4, 4), at(5, 2)}
		}
		for i := range uint64(uint32(p[2])) {
			v := before[uint64(uint32(p[1]))+8*i:]
			ranges = append(ranges, [2]uint64{uint64(binary.LittleEndian.Uint32(v)), uint64(binary.LittleEndian.Uint32(v[4:]))})
		}
		return ranges
	}
	return nil
}

// hostile calls random functions with random parameters. Nothing but exit may panic, a call that
// fails writes nothing, one that succeeds writes only where it should, the limits hold, and the
// counters are correct.
func hostile(t *rapid.T, r *rig, state *State, functions []function) {
	limits := Limits{OpenFiles: 14, TmpFiles: 8, TmpBytes: 200_000}
	r.sys.Reset(state, limits)
	r.kept = 0
	r.control.slept = nil
	mem, _ := r.mem.Read(0, hostileMemory)
	clear(mem)
	copy(mem[atHostilePaths:], hostilePaths)
	for i, v := range [][2]uint32{
		{0x2000, 100}, {0x3000, 70_000}, {atHostilePaths, 5}, {hostileMemory - 10, 10}, {hostileMemory - 10, 11}, {1 << 31, 1 << 31},
	} {
		binary.LittleEndian.PutUint32(mem[atHostileVectors+8*i:], v[0])
		binary.LittleEndian.PutUint32(mem[atHostileVectors+8*i+4:], v[1])
	}
	for i, a := range r.addresses {
		if a.IsValid() {
			putAddress(mem[atHostileAddresses+addressSize*i:], familyOf(a.Addr()), a)
		}
	}
	for i, fd := range []uint32{4, 5, 5, 5, 0} {
		b := mem[atHostilePoll+subscriptionSize*i:]
		b[8] = []byte{eventFdRead, eventFdRead, eventFdWrite, eventFdRead, eventClock}[i]
		b[20] = []byte{0, 0, 0, 1, 0}[i]
		binary.LittleEndian.PutUint32(b[16:], fd)
	}
	copy(mem[atHostileTLS:], strings.Join(hostileTexts(t), ""))
	r.sys.Connect(r.network)
	r.control.patience = time.Millisecond
	before := make([]byte, hostileMemory)
	for range rapid.IntRange(1, 40).Draw(t, "calls") {
		f := rapid.SampledFrom(functions).Draw(t, "function")
		p := make([]uint64, max(len(f.params), 1))
		for i, letter := range f.params {
			if letter == 'i' {
				p[i] = anyI32.Draw(t, "i32")
			} else {
				p[i] = anyLong.Draw(t, "i64")
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "sane") > 0 {
			sane(t, f, p)
		}
		copy(before, mem)
		var err errno
		switch v := recovered(func() { err = f.call(r.sys, r.mem, p) }).(type) {
		case nil:
		case exit:
			if f.name != "proc_exit" {
				t.Fatalf("%s(%x) exits", f.name, p)
			}
		case error:
			if v != errEnd {
				t.Fatalf("%s(%x) panics: %v", f.name, p, v)
			}
			// The run ends while it waits.
			r.sys.Reset(state, limits)
			r.sys.Connect(r.network)
			copy(before, mem)
		default:
			t.Fatalf("%s(%x) panics: %v", f.name, p, v)
		}
		if err == success {
			for _, w := range writes(f, p, r.sys, before) {
				if w[1] == 0 {
					continue // may lie anywhere
				}
				copy(before[w[0]:w[0]+w[1]], mem[w[0]:w[0]+w[1]])
			}
		}
		if !bytes.Equal(before, mem) {
			t.Fatalf("%s(%x): errno %d, and it wrote where it should not", f.name, p, err)
		}
		if auditErr := r.sys.audit(0); auditErr != nil {
			t.Fatalf("%s(%x): errno %d: %v", f.name, p, err, auditErr)
		}
		if len(r.sys.table) > limits.OpenFiles || r.sys.tmp.files > limits.TmpFiles || r.sys.tmp.bytes > limits.TmpBytes {
			t.Fatalf("%s(%x): %d open, %d files, %d bytes", f.name, p, len(r.sys.table), r.sys.tmp.files, r.sys.tmp.bytes)
		}
		for _, d := range r.control.slept {
			if d <= 0 {
				t.Fatalf("slept %v", d)
			}
		}
		r.control.clock.wall, r.control.clock.monotonic = 1_700_000_000e9, 5e9 // a long sleep wraps the fake clock
	}
	r.sys.Reset(nil, limits)
	if r.control.connections != 0 {
		t.Fatalf("%d connections are still held", r.control.connections)
	}
	if n := len(r.sys.tls.conns); n != 0 {
		t.Fatalf("%d engines are left", n)
	}
	if r.control.charged != 0 {
		t.Fatalf("%d bytes are still charged", r.control.charged)
	}
	if !slices.Equal(r.sys.table, r.sys.empty.table) || !slices.Equal(r.sys.opened, r.sys.empty.opened) || r.sys.tmp.files != 0 || r.sys.mount != nil {
		t.Fatal("Reset left something")
	}
}

// hostileRig returns a rig, and a State with one of each kind of object that may go wrong:
// descriptor 4 is a shared file, 5 a removed one, 6 /tmp, 7 a file of the Tree, 8 a removed
// directory, 9 a file of the Mount whose Reader ends too early, 10 a directory of the Mount.
func hostileRig(t testing.TB) (*rig, *State) {
	tree := mustTree(t)
	maker := newRigOn(t, tree, testPages)
	maker.reset(mustMount(t, tree, testMount).State())
	maker.store("tmp/a", strings.Repeat("shared", 15_000))
	maker.want("mkdir", maker.mkdir("tmp/d"), success)
	maker.want("mkdir", maker.mkdir("tmp/d/d"), success)
	maker.want("symlink", maker.symlink("d/..", "tmp/l"), success)
	maker.want("symlink", maker.symlink("/function/main.py", "tmp/n"), success)
	maker.want("symlink", maker.symlink("../function/pkg", "tmp/o"), success)
	maker.mustOpen("tmp/a", 0, forBoth)
	maker.write(maker.mustOpen("tmp/b", openCreate, forBoth), "removed")
	maker.mustOpen("tmp", openDirectory, forReading)
	maker.mustOpen("usr/lib/python313.zip", 0, forReading)
	maker.mustOpen("tmp/d/d", openDirectory, forReading)
	maker.mustOpen("function/short", 0, forReading)
	maker.mustOpen("function/pkg-2", openDirectory, forReading)
	maker.want("unlink", maker.unlink("tmp/b"), success)
	maker.want("rmdir", maker.rmdir("tmp/d/d"), success)
	r := newRigOn(t, tree, hostilePages)
	r.network = newTestNetwork(t)
	n := r.network
	r.addresses = []netip.AddrPort{n.echo, n.refusing, netip.MustParseAddrPort("192.0.2.1:80"), n.datagrams, n.echo6, {}}
	return r, maker.capture()
}

func TestHostile(t *testing.T) {
	r, state := hostileRig(t)
	r.reset(state)
	want := dump(r.sys)
	rapid.Check(t, func(t *rapid.T) { hostile(t, r, state, functions) })
	r.reset(state)
	if !maps.Equal(dump(r.sys), want) {
		t.Error("the State has changed")
	}
}

func FuzzHostile(f *testing.F) {
	r, state := hostileRig(f)
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { hostile(t, r, state, functions) }))
}
