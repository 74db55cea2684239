// Package storetest has what the tests of storage and of the packages below it share: texts that
// try to break out of their place in a key, and ids of executions. It owns no state, knows none of
// these packages, and must be imported by tests only.
package storetest

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
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
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli())<<16)
	for i := 6; i < len(id); i++ {
		id[i] = byte(rng.Uint32())
	}
	id[6], id[8] = 0x70|id[6]&0xF, 0x80|id[8]&0x3F
	return id.String()
}

// TimeOf returns the time of a UUIDv7, and the zero of 1970 for any other text.
func TimeOf(id string) time.Time {
	if len(id) < 13 {
		return time.UnixMilli(0).UTC()
	}
	ms, _ := strconv.ParseInt(id[:8]+id[9:13], 16, 64)
	return time.UnixMilli(ms).UTC()
}
