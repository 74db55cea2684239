package redact

import (
	"encoding/json"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// MinSecret is the length of the shortest secret that is hidden, in bytes.
	MinSecret = 8
	// piece is the length of the pieces in which longer secrets are known, in bytes: the last piece of a
	// secret has up to MinSecret-1 more. A log that has a part of a secret is thus redacted too, as far as
	// it has whole pieces.
	piece = 64
	// longest is the length of the longest piece.
	longest = piece + MinSecret - 1
	// pieceBytes is about the memory that a piece takes, in bytes.
	pieceBytes = 64
	// filterBits is the size of the filter of beginnings, as a power of two.
	filterBits = 15
)

// Mask is what stands for a secret.
const Mask = "***"

// Registry knows the secrets that the process holds. Nil is a registry that knows none.
type Registry struct {
	base   uint64              // of the rolling hash, random
	powers [longest + 1]uint64 // of the base

	mu     sync.RWMutex
	memory *memory.Account        // of the pieces; nil: they are not counted
	held   int64                  // pieces
	pieces map[known]int32        // how often each is held
	begins map[uint64]int32       // the first MinSecret bytes of pieces
	sizes  [longest + 1]int32     // pieces of each length
	filter [1 << filterBits]int32 // beginnings by a hash
}

// known is a piece of a secret.
type known struct {
	hash uint64
	size int
}

// New returns an empty registry.
func New() *Registry {
	const least = 1 << 32
	r := &Registry{base: least + rand.Uint64N(prime-least), pieces: make(map[known]int32), begins: make(map[uint64]int32)}
	r.powers[0] = 1
	for i := range longest {
		r.powers[i+1] = times(r.powers[i], r.base)
	}
	return r
}

// Hold makes the registry know secrets until release is called, which does nothing the second time.
// Secrets are known as they are, and as they are quoted in Go and in JSON.
func (r *Registry) Hold(secrets ...string) (release func()) {
	if r == nil {
		return func() {}
	}
	var all []known
	var begins []uint64
	for _, s := range secrets {
		for _, form := range forms(s) {
			for p := range cut(form) {
				all = append(all, known{r.hash(p), len(p)})
				begins = append(begins, word(p))
			}
		}
	}
	if len(all) == 0 {
		return func() {}
	}
	r.count(all, begins, 1)
	return sync.OnceFunc(func() { r.count(all, begins, -1) })
}

func (r *Registry) count(all []known, begins []uint64, by int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range all {
		if r.pieces[k] += by; r.pieces[k] == 0 {
			delete(r.pieces, k)
		}
		if r.begins[begins[i]] += by; r.begins[begins[i]] == 0 {
			delete(r.begins, begins[i])
		}
		r.sizes[k.size] += by
		r.filter[slotOf(begins[i])] += by
	}
	r.held += int64(by) * int64(len(all))
	switch bytes := int64(len(all)) * pieceBytes; {
	case r.memory == nil:
	case by > 0:
		r.memory.Add(bytes)
	default:
		r.memory.Give(bytes)
	}
}

// Count counts the memory of the registry to an account. It is called once.
func (r *Registry) Count(account *memory.Account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	account.Add(r.held * pieceBytes)
	r.memory = account
}

// forms returns the forms in which a secret may be in a text.
func forms(secret string) []string {
	if len(secret) < MinSecret {
		return nil
	}
	all := []string{secret}
	add := func(form string) {
		if form != secret && form != all[len(all)-1] {
			all = append(all, form)
		}
	}
	quoted := strconv.Quote(secret)
	add(quoted[1 : len(quoted)-1])
	if text, err := json.Marshal(secret); err == nil {
		add(string(text[1 : len(text)-1]))
	}
	return all
}

// cut returns the pieces of a secret: neighbours of piece bytes, of which the last one is at least
// MinSecret and at most longest bytes long.
func cut(secret string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(secret) > longest {
			if !yield(secret[:piece]) {
				return
			}
			secret = secret[piece:]
		}
		if len(secret) >= MinSecret {
			yield(secret)
		}
	}
}

// Hide returns a text with [Mask] in place of each secret that it has, and of what looks like a token. Its
// cost depends on the length of the text, and not on the number of secrets.
func (r *Registry) Hide(text string) string { return hideTokens(r.hide(text)) }

func (r *Registry) hide(text string) string {
	if r == nil || len(text) < MinSecret {
		return text
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.pieces) == 0 {
		return text
	}
	var out strings.Builder
	var sums []uint64 // hashes of the beginnings of the text; made when they are needed
	from, hidden := 0, false
	for i := 0; i+MinSecret <= len(text); {
		begin := word(text[i:])
		if r.filter[slotOf(begin)] == 0 || r.begins[begin] == 0 {
			i++
			continue
		}
		if sums == nil {
			sums = r.sums(text)
		}
		n := r.longestAt(text, sums, i)
		if n == 0 {
			i++
			continue
		}
		if out.WriteString(text[from:i]); i > from || !hidden {
			out.WriteString(Mask) // once for the pieces of one secret
		}
		i += n
		from, hidden = i, true
	}
	if !hidden {
		return text
	}
	out.WriteString(text[from:])
	return out.String()
}

// longestAt returns the length of the longest piece that begins at a position of a text, 0 if there is
// none.
func (r *Registry) longestAt(text string, sums []uint64, at int) int {
	for n := min(longest, len(text)-at); n >= MinSecret; n-- {
		if r.sizes[n] > 0 && r.pieces[known{r.between(sums, at, at+n), n}] > 0 {
			return n
		}
	}
	return 0
}

func word(text string) uint64 {
	_ = text[7]
	return uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
		uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
}

func slotOf(begin uint64) uint64 { return begin * 0x9E3779B97F4A7C15 >> (64 - filterBits) }

// The hash of a text is that of Rabin and Karp: a polynomial of its bytes at a random base, modulo a
// prime. That of any part follows from those of two beginnings.
const prime = 1<<61 - 1

func times(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return reduce(lo&prime + (lo>>61 | hi<<3))
}

func reduce(n uint64) uint64 {
	n = n&prime + n>>61
	if n >= prime {
		n -= prime
	}
	return n
}

func (r *Registry) hash(text string) (sum uint64) {
	for i := range len(text) {
		sum = reduce(times(sum, r.base) + uint64(text[i]) + 1)
	}
	return sum
}

// sums returns the hashes of all beginnings of a text, the empty one first.
func (r *Registry) sums(text string) []uint64 {
	all := make([]uint64, len(text)+1)
	for i := range len(text) {
		all[i+1] = reduce(times(all[i], r.base) + uint64(text[i]) + 1)
	}
	return all
}

// between returns the hash of a part of a text, of at most longest bytes.
func (r *Registry) between(sums []uint64, from, to int) uint64 {
	return reduce(sums[to] + prime - times(sums[from], r.powers[to-from]))
}
