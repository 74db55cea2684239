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

// hasher computes the block function of one algorithm with the processor's instructions. It sets
// the state of a Go hash, writes blocks, and reads the state back. The guest stores the state as
// little-endian words; Go marshals it big-endian, after a marker of its own.
type hasher struct {
	hash      hash.Hash
	words     int // number of words in the state
	wordBytes int
	before    []byte // marshalled state: stateMark bytes, the words, and an unfinished block, which is empty
	after     []byte // marshalled state after the blocks, laid out like before
}

// stateMark is the number of bytes before the words of a marshalled state.
const stateMark = 4

// hashers holds the algorithms that guests may use, created on first use. They have no state that
// matters between two calls.
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
	// The marshalled state of a hash without input is correct except for the words.
	fresh, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil
	}
	return &hasher{hash: h, words: words, wordBytes: wordBytes, before: fresh}
}

// size returns the length in bytes of the state in the guest's memory.
func (h *hasher) size() int { return h.words * h.wordBytes }

// update runs whole blocks through the state. It reports whether it succeeded.
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

// hashBlocks is the host side of faas.hash(algorithm, state, blocks, len). It returns 0, or -1 if
// it refuses the request.
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
	// The instrumented guest counts the call but not the work that the host does in it.
	if s.call.hashed += n; s.call.hashed >= hashedPerCheckpoint {
		s.call.hashed = 0
		s.Checkpoint()
	}
	return 0
}

// hashedPerCheckpoint is the number of hashed bytes after which a run reaches a checkpoint: about
// half a millisecond of work.
const hashedPerCheckpoint = 256 << 10

// maxHash is the largest number of bytes that one call may hash. A run cannot be ended within a
// call.
const maxHash = 64 << 10
