package storetest

import (
	"encoding/hex"
	"math/rand/v2"
)

// Noise returns n bytes of text, the same ones each time, that do not become shorter when packed.
func Noise(n int) []byte {
	bytes := make([]byte, n/2+1)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(bytes) // never fails
	return hex.AppendEncode(nil, bytes)[:n]
}
