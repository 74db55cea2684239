package search

import (
	"testing"

	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// FuzzPostings reads damaged blocks of postings. Every posting of a block that is read can be reached.
func FuzzPostings(f *testing.F) {
	for _, long := range []bool{false, true} {
		f.Add([]byte{record.EncodingPostings}, long, int64(5))
		f.Add(append([]byte{record.EncodingPostings}, make([]byte, postingSize)...), long, int64(5))
		f.Add(append([]byte{record.EncodingPostings}, make([]byte, 3*postingSize+4*msSize)...), long, int64(-1))
		f.Add([]byte{record.EncodingPostings, 1, 2, 3}, long, int64(0))
	}
	f.Fuzz(func(t *testing.T, value []byte, long bool, start int64) {
		b, err := decodePostings(keys.Position{Start: start, ID: keys.ID{9}}, value, long)
		if err != nil {
			return
		}
		if b.len() > 1+len(value)/postingSize {
			t.Fatalf("%d postings in %d bytes", b.len(), len(value))
		}
		for i := range b.len() {
			b.at(i)
			if found := b.find(i, keys.Position{Start: start}); found < i || found > b.len() {
				t.Fatalf("found %d from %d of %d", found, i, b.len())
			}
		}
	})
}
