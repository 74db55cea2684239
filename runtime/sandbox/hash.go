package sandbox

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/binary"
	"hash"

	"github.com/faaspot/faaspot/pyguest"
)

// A hasher computes the block function of one algorithm with the processor's
// instructions, by way of a hash of Go's whose state is set and read again. The
// guest keeps the state in words of its own byte order, little-endian; Go
// marshals it big-endian, behind a mark of its own.
type hasher struct {
	hash      hash.Hash
	words     int // of the state
	wordBytes int
	before    []byte // a state as Go marshals it: stateMark, the words, and an unfinished block, which is empty
	after     []byte // likewise
}

// stateMark is the length of what stands in front of the words, in bytes.
const stateMark = 4

// hashers are the algorithms that guests may use, made on first use. They hold
// nothing between two calls that matters.
type hashers [pyguest.HashSHA512 + 1]*hasher

func (h *hashers) get(algorithm int32) *hasher {
	if algorithm < 0 || int(algorithm) >= len(h) {
		return nil
	}
	if h[algorithm] == nil {
		switch algorithm {
		case pyguest.HashMD5:
			h[algorithm] = newHasher(md5.New(), 4, 4)
		case pyguest.HashSHA1:
			h[algorithm] = newHasher(sha1.New(), 5, 4)
		case pyguest.HashSHA256:
			h[algorithm] = newHasher(sha256.New(), 8, 4)
		case pyguest.HashSHA512:
			h[algorithm] = newHasher(sha512.New(), 8, 8)
		}
	}
	return h[algorithm]
}

func newHasher(h hash.Hash, words, wordBytes int) *hasher {
	// A hash without input marshals to what is right in all but the words.
	fresh, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil
	}
	return &hasher{hash: h, words: words, wordBytes: wordBytes, before: fresh}
}

// size gives the length of the state in the guest's memory, in bytes.
func (h *hasher) size() int { return h.words * h.wordBytes }

// update runs whole blocks through the state. It reports whether it could.
func (h *hasher) update(state, blocks []byte) bool {
	if len(state) != h.size() || len(blocks)%h.hash.BlockSize() != 0 {
		return false
	}
	h.reverseWords(h.before[stateMark:], state)
	if h.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(h.before) != nil {
		return false
	}
	h.hash.Write(blocks)
	var err error
	if h.after, err = h.hash.(encoding.BinaryAppender).AppendBinary(h.after[:0]); err != nil {
		return false
	}
	h.reverseWords(state, h.after[stateMark:])
	return true
}

func (h *hasher) reverseWords(dst, src []byte) {
	for i := 0; i < h.size(); i += h.wordBytes {
		if h.wordBytes == 4 {
			binary.LittleEndian.PutUint32(dst[i:], binary.BigEndian.Uint32(src[i:]))
		} else {
			binary.LittleEndian.PutUint64(dst[i:], binary.BigEndian.Uint64(src[i:]))
		}
	}
}

// hashBlocks is the host's side of faas.hash(algorithm, state, blocks, len). It
// answers 0, or -1 if it is asked for what it cannot do.
func (s *slot) hashBlocks(algorithm int32, state, blocks, n uint32) int32 {
	const refused = -1
	h := s.hashers.get(algorithm)
	if h == nil || n > maxHash {
		return refused
	}
	stateBytes, ok := s.slice(state, uint32(h.size()))
	if !ok {
		return refused
	}
	data, ok := s.slice(blocks, n)
	if !ok || !h.update(stateBytes, data) {
		return refused
	}
	// The guest counts the call, not what it takes.
	if s.call.hashed += n; s.call.hashed >= hashedPerCheckpoint {
		s.call.hashed = 0
		s.Checkpoint()
	}
	return 0
}

// hashedPerCheckpoint is after how many bytes a run gives others their turn:
// half a millisecond or so.
const hashedPerCheckpoint = 256 << 10

// maxHash is what one call may hash, in bytes: a run cannot be ended within.
const maxHash = 64 << 10
