package sandbox

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
)

// digestSource hashes a pattern in pieces and continues from a copy in the middle, so that states
// of several algorithms are saved, restored and interleaved.
const digestSource = `
import hashlib
def main(args, context):
    data = bytes(i * i % 251 for i in range(args["size"]))
    names = "md5", "sha1", "sha224", "sha256", "sha384", "sha512"
    hashes = {name: hashlib.new(name) for name in names}
    at = 0
    for n in args["pieces"]:
        for h in hashes.values(): h.update(data[at:at + n])
        at += n
        copies = {name: h.copy() for name, h in hashes.items()}
        for h in hashes.values(): h.update(b"lost"); h.digest()
        hashes = copies
    for h in hashes.values(): h.update(data[at:])
    return {name: h.hexdigest() for name, h in hashes.items()}
`

func TestHashesAreRight(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, digestSource, runtime.Limits{})
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 16 << 10, 16<<10 + 1, 100_000}
	for range times(50) {
		sizes = append(sizes, rng.IntN(5000))
	}
	for _, size := range sizes {
		pieces := []int{}
		for left := size; left > 0 && len(pieces) < 5; {
			n := rng.IntN(left + 1)
			pieces = append(pieces, n)
			left -= n
		}
		args, _ := json.Marshal(map[string]any{"size": size, "pieces": pieces})
		var got map[string]string
		if err := json.Unmarshal([]byte(result(t, box, p, string(args))), &got); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * i % 251)
		}
		m, s1, s224, s256, s384, s512 := md5.Sum(data), sha1.Sum(data), sha256.Sum224(data), sha256.Sum256(data), sha512.Sum384(data), sha512.Sum512(data)
		for name, want := range map[string][]byte{
			"md5": m[:], "sha1": s1[:], "sha224": s224[:], "sha256": s256[:], "sha384": s384[:], "sha512": s512[:],
		} {
			if got[name] != hex.EncodeToString(want) {
				t.Errorf("%s of %d bytes in pieces %v: %s, want %x", name, size, pieces, got[name], want)
			}
		}
	}
}

// FuzzHashBlocks passes arbitrary arguments to faas.hash, which may write only to the state.
func FuzzHashBlocks(f *testing.F) {
	const end = 64 * runtime.KiB
	for algorithm := int32(-1); algorithm <= pyguest.HashSHA512+1; algorithm++ {
		f.Add(algorithm, uint32(0), uint32(128), uint32(256))
		f.Add(algorithm, uint32(64), uint32(0), uint32(128))
		f.Add(algorithm, uint32(end-31), uint32(0), uint32(128))
		f.Add(algorithm, uint32(end), uint32(end), uint32(0))
		f.Add(algorithm, uint32(0), uint32(end-100), uint32(128))
		f.Add(algorithm, uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32))
		f.Add(algorithm, uint32(0), uint32(0), uint32(end))
	}
	f.Fuzz(func(t *testing.T, algorithm int32, state, blocks, n uint32) {
		s := transferSlot(nil)
		mem := s.memory.data()
		for i := range mem {
			mem[i] = byte(i * 7)
		}
		before := append([]byte(nil), mem...)
		answer := s.hashBlocks(algorithm, state, blocks, n)
		if answer != 0 && answer != -1 {
			t.Fatalf("returned %d", answer)
		}
		if answer == 0 {
			copy(before[state:], mem[state:][:s.hashers.get(algorithm).size()])
		}
		if string(mem) != string(before) {
			t.Fatalf("algorithm %d, state %d, blocks %d+%d, answer %d: wrote outside the state", algorithm, state, blocks, n, answer)
		}
	})
}
