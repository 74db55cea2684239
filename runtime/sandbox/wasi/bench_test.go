package wasi

import (
	"context"
	"math"
	"testing"
)

// BenchmarkReset measures the reset before every run: with nothing touched, with a State, and after
// a run that changed a file of it.
func BenchmarkReset(b *testing.B) {
	r := newRig(b)
	state := r.deploy()
	b.Run("untouched", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.sys.Reset(nil, Limits{})
		}
	})
	b.Run("from a state", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.sys.Reset(state, Limits{})
		}
	})
	b.Run("and write one byte to a shared file", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.sys.Reset(state, Limits{})
			if _, err := r.pwrite(4, "x", 0); err != success {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFile measures the life of a small file, through the functions but without wazero.
func BenchmarkFile(b *testing.B) {
	r := newRig(b)
	b.ReportAllocs()
	for b.Loop() {
		fd, _ := r.open("tmp/f", openCreate, forBoth)
		r.write(fd, "0123456789")
		r.close(fd)
		if err := r.unlink("tmp/f"); err != success {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall measures one call from compiled guest code, including wazero's share.
func BenchmarkCall(b *testing.B) {
	r := newRig(b)
	m, _ := hosted(b)
	ctx := context.WithValue(context.Background(), systemKey{}, r.sys)
	r.control.most = math.MaxInt64
	m.Memory().WriteString(0x200, "usr/lib/python313.zip")
	m.Memory().WriteUint32Le(0x100, 0x200)
	m.Memory().WriteUint32Le(0x104, 21)
	for _, c := range []struct {
		name   string
		params []uint64
	}{
		{"clock_time_get", []uint64{1, 0, 0}},
		{"fd_read", []uint64{0, 0x100, 1, 0x300}}, // stdin
		{"path_filestat_get", []uint64{3, 0, 0x200, 21, 0x300}},
		{"random_get", []uint64{0x400, 16}},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := m.ExportedFunction(c.name)
			stack := make([]uint64, 8)
			b.ReportAllocs()
			for b.Loop() {
				copy(stack, c.params)
				if err := f.CallWithStack(ctx, stack); err != nil || stack[0] != 0 {
					b.Fatal(err, stack[0])
				}
			}
		})
	}
}

// BenchmarkThroughput writes 1 MiB to a file of /tmp and reads it back.
func BenchmarkThroughput(b *testing.B) {
	r := newRig(b)
	const size = 1 << 20
	fd := r.mustOpen("tmp/f", openCreate, forBoth)
	r.vector(0, size)
	b.SetBytes(2 * size)
	for b.Loop() {
		if r.call("fd_pwrite", uint64(fd), atVector, 1, 0, atResult) != success ||
			r.call("fd_pread", uint64(fd), atVector, 1, 0, atResult) != success {
			b.Fatal("failed")
		}
	}
}
