package record

import (
	"bytes"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// pack returns the value of data.
func pack(t testing.TB, data []byte) (value []byte) {
	t.Helper()
	err := Pack(data, func(encoding byte, body []byte) error {
		value = append([]byte{encoding}, body...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Data of any kind is read back; what cannot be packed takes one byte more than the data.
func TestPackedDataIsReadBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		piece := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "piece")
		data := bytes.Repeat(piece, rapid.IntRange(0, 5_000).Draw(r, "times"))
		value := pack(t, data)
		if len(value) > 1+len(data) {
			r.Fatalf("%d bytes have a value of %d", len(data), len(value))
		}
		got, err := Unpack(value, uint64(len(data)))
		if err != nil || !bytes.Equal(got, data) {
			r.Fatalf("%d bytes are read back as %d, %v", len(data), len(got), err)
		}
		clear(value)
		if !bytes.Equal(got, data) {
			r.Fatal("the data changes with the value")
		}
	})
}

func TestWhatIsPacked(t *testing.T) {
	noise, text := storetest.Noise(3_000_000), bytes.Repeat([]byte("The quick brown fox. "), 100_000)
	if value := pack(t, noise); value[0] != EncodingRaw || len(value) != 1+len(noise) {
		t.Errorf("noise has the encoding %d and %d bytes", value[0], len(value))
	}
	if value := pack(t, text); value[0] != EncodingPacked || len(value) > len(text)/10 {
		t.Errorf("%d bytes of text have the encoding %d and %d bytes", len(text), value[0], len(value))
	}
}

// Values that earlier releases have written are read by this one.
func TestKeptValuesAreUnpacked(t *testing.T) {
	want := bytes.Repeat([]byte("x"), 1025)
	for _, value := range []string{"\x0e\x81\b\x00x\x11\x01\x19\x00\xf4\x02", "\x01" + string(want)} {
		if got, err := Unpack([]byte(value), 1025); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q is read as %q, %v", value, got, err)
		}
	}
}

// A damaged value is an error, or data of the length that the caller knows. Nothing larger is
// allocated, whatever length the value claims.
func TestDamagedPackedValues(t *testing.T) {
	data := bytes.Repeat([]byte(`{"id": 1, "name": "user"}, `), 100)
	for name, value := range map[string][]byte{"packed": pack(t, data), "raw": EncodeRaw(data)} {
		if _, err := Unpack(value, uint64(len(data))-1); err == nil {
			t.Errorf("%s: a wrong length is no error", name)
		}
		for n := range value {
			if _, err := Unpack(value[:n], uint64(len(data))); err == nil {
				t.Errorf("%s: %d of %d bytes are no error", name, n, len(value))
			}
		}
	}
	huge := []byte{EncodingPacked, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}
	if allocated := testing.AllocsPerRun(10, func() {
		if _, err := Unpack(huge, uint64(len(data))); err == nil {
			t.Error("4 GiB in 6 bytes are no error")
		}
	}); allocated > 10 {
		t.Errorf("%v allocations for a value that is refused", allocated)
	}
	rapid.Check(t, func(r *rapid.T) {
		value := slices.Clone(pack(t, data))
		value[rapid.IntRange(0, len(value)-1).Draw(r, "at")] ^= byte(rapid.IntRange(1, 255).Draw(r, "flip"))
		if got, err := Unpack(value, uint64(len(data))); err == nil && len(got) != len(data) {
			r.Fatalf("%d bytes", len(got))
		}
	})
}

// Large values are packed one at a time, so that their buffers take the memory of one.
func TestLargeValuesArePackedOneAtATime(t *testing.T) {
	data := storetest.Noise(3_000_000)
	var packing, most atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 4 {
				err := Pack(data, func(byte, []byte) error {
					most.Store(max(most.Load(), packing.Add(1)))
					runtime.Gosched()
					packing.Add(-1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d large values were packed at once", most.Load())
	}
}
