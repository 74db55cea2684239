package record

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// fuzzedReader reads a value of one kind of record. It fails the test if what it has read, written
// again, is read as something else.
type fuzzedReader func(t *testing.T, value []byte)

// readsBack returns the reader of records that can be written again as they were read.
func readsBack[T any](decode func([]byte) (T, error), encode func(T) ([]byte, error)) fuzzedReader {
	return func(t *testing.T, value []byte) {
		got, err := decode(value)
		if err != nil {
			return
		}
		again, err := encode(got)
		if err != nil {
			t.Fatalf("%q is read as %+v, which cannot be written: %v", value, got, err)
		}
		back, err := decode(again)
		all := cmp.Exporter(func(reflect.Type) bool { return true })
		if err != nil || !cmp.Equal(got, back, all, cmpopts.EquateEmpty()) {
			t.Fatalf("%+v came back as %+v, %v", got, back, err)
		}
	}
}

// reads returns the reader of records that are read into another form than they are written from.
func reads[T any](decode func([]byte) (T, error)) fuzzedReader {
	return func(_ *testing.T, value []byte) { _, _ = decode(value) }
}

// encodes adapts an Encode that cannot fail.
func encodes[T any](encode func(T) []byte) func(T) ([]byte, error) {
	return func(v T) ([]byte, error) { return encode(v), nil }
}

// fuzzedReaders has the readers of all kinds of records that no other fuzz test reads.
var fuzzedReaders = []fuzzedReader{
	readsBack(DecodeLease, encodes(Lease.Encode)),
	readsBack(DecodeWaiting, encodes(Waiting.Encode)),
	readsBack(DecodeIdempotency, encodes(Idempotency.Encode)),
	readsBack(DecodeKept, encodes(func(k Kept) []byte { return k.Encode() })),
	readsBack(DecodeProgress, encodes(func(p Progress) []byte { return p.Encode() })),
	readsBack(DecodeBytecode, encodes(func(b Bytecode) []byte { return b.Encode() })),
	readsBack(DecodeDelivery, EncodeDelivery),
	readsBack(DecodeTime, encodes(EncodeTime)),
	readsBack(DecodeNumber, encodes(EncodeNumber)),
	readsBack(DecodeRaw, encodes(EncodeRaw[[]byte])),
	readsBack(func(b []byte) (runtime.Job, error) { return DecodeJob("t", "i", b) }, EncodeJob),
	readsBack(func(b []byte) (runtime.JobRevision, error) { return DecodeRevision(1, b) }, EncodeRevision),
	readsBack(func(b []byte) (runtime.TenantRecord, error) { return DecodeTenant("t", b) }, EncodeTenant),
	readsBack(func(b []byte) (runtime.Operation, error) { return DecodeOperation("t", "i", b) }, EncodeOperation),
	readsBack(func(b []byte) (runtime.Token, error) { return DecodeToken("i", b) }, EncodeToken),
	readsBack(func(b []byte) (runtime.JobExecution, error) { return DecodeJobExecution("t", keys.ID{}, b) },
		func(x runtime.JobExecution) ([]byte, error) { return EncodeJobExecution(&x, keys.ID{}) }),
	readsBack(func(b []byte) (string, error) { return DecodeJobExecutionName(keys.ID{}, b) },
		func(name string) ([]byte, error) {
			return EncodeJobExecutionName(&runtime.JobExecution{Name: name}), nil
		}),
	reads(DecodeAccepted),
	reads(func(b []byte) (string, error) { function, _, _, err := DecodeKeptTotal(b); return function, err }),
}

// FuzzRecords reads damaged records of every kind.
func FuzzRecords(f *testing.F) {
	at := time.Unix(0, 5).UTC()
	x := runtime.Execution{Kind: runtime.KindRun, FunctionID: "i", Function: "f", Created: at}
	for kind := range fuzzedReaders {
		for _, value := range [][]byte{
			Lease{"f", 1, at, Failures{2, 3, 4}, true, 5, runtime.Suspicion{Losses: 6, Stretch: 7}}.Encode(),
			Waiting{1, Failures{2, 3, 4}, at, 5, runtime.Suspicion{Losses: 4}}.Encode(),
			Idempotency{At: at, IDs: []keys.ID{{1}}}.Encode(),
			(&Kept{"f", []KeptEntry{{ID: keys.ID{1}, State: 1, Result: true, Size: 9}}}).Encode(),
			EncodeAccepted(&x, keys.ID{}, []byte("{}")), EncodeTime(at), EncodeNumber(258), EncodeRaw("abc"),
			[]byte("\x02{}"), []byte("\x04" + `{"spec":{"function":"f","triggers":[{"id":"x"}]},"created":"2026-02-03T04:05:06Z"}`),
		} {
			f.Add(uint8(kind), value)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, value []byte) { fuzzedReaders[int(kind)%len(fuzzedReaders)](t, value) })
}

// FuzzUnpack reads damaged args and results. No value makes more memory than the size that its record
// has.
func FuzzUnpack(f *testing.F) {
	for _, data := range [][]byte{nil, []byte("short"), bytes.Repeat([]byte("packed "), 1000)} {
		err := Pack(data, func(encoding byte, body []byte) error {
			f.Add(append([]byte{encoding}, body...), uint32(len(data)))
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add([]byte("\x0e\xff\xff\xff\xff\x0f"), uint32(1<<20))
	f.Fuzz(func(t *testing.T, value []byte, size uint32) {
		data, err := Unpack(value, uint64(size%(1<<20)))
		if err != nil {
			return
		}
		if len(data) != int(size%(1<<20)) {
			t.Fatalf("%d bytes instead of %d", len(data), size%(1<<20))
		}
		err = Pack(data, func(encoding byte, body []byte) error {
			back, err := Unpack(append([]byte{encoding}, body...), uint64(len(data)))
			if !bytes.Equal(back, data) {
				t.Fatalf("%q came back as %q", data, back)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
