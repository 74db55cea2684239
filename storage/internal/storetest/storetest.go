// Package storetest has what the tests of storage and of the packages below it share: texts that try
// to break out of their place in a key, and ids of executions. It owns no state, knows none of these
// packages, and must be imported by tests only.
package storetest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// HostileTexts are names and ids that try to be more than one text.
var HostileTexts = []string{"", "a", "a\x00", "a\x00\x01", "a\x00\xff", "a\x00\xff\x00\x01n", "\x00", "\x00\x01", "\xff", "\xff\xff", "../x", "t", "ü", strings.Repeat("x", 10_000)}

// Text draws a hostile text, or a short one of the bytes that have a meaning in keys.
func Text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom(HostileTexts), rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 0xFF, 'a', 'n'}), 0, 6, -1))
}

// ID returns a UUIDv7 of a time. Its other bits are random.
func ID(rng *rand.Rand, at time.Time) string {
	var random [10]byte
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	random[0], random[2] = 0x70|random[0]&0xF, 0x80|random[2]&0x3F
	digits := fmt.Sprintf("%012x", at.UnixMilli()) + hex.EncodeToString(random[:])
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}

// TimeOf returns the time of a UUIDv7, and the zero of 1970 for any other text.
func TimeOf(id string) time.Time {
	if len(id) < 13 {
		return time.UnixMilli(0).UTC()
	}
	ms, _ := strconv.ParseInt(id[:8]+id[9:13], 16, 64)
	return time.UnixMilli(ms).UTC()
}
