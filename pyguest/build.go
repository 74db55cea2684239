package pyguest

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
)

// Build returns a hash of all that the guest consists of: its module, the standard library, and the
// bootstrap. What one build of the guest has made may not be valid for another.
func Build() [sha256.Size]byte { return build() }

var build = sync.OnceValue(func() (sum [sha256.Size]byte) {
	hash := sha256.New()
	for _, part := range [][]byte{moduleZstd, stdlibZstd} {
		one := sha256.Sum256(part)
		_, _ = hash.Write(one[:])
	}
	sources, _ := BootstrapSources() // embedded: there is no error
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		one := sha256.Sum256(append([]byte(name+"\x00"), sources[name]...))
		_, _ = hash.Write(one[:])
	}
	hash.Sum(sum[:0])
	return sum
})
