// Package backoff computes the delays between the attempts of one thing.
package backoff

import (
	"math/rand/v2"
	"time"
)

const (
	// First is the delay after one failure. It doubles with each further one.
	First = time.Second
	// JitterFraction is the divisor of the largest fraction of a delay that [Jitter] adds:
	// 1/4, so that attempts that failed together are not repeated together.
	JitterFraction = 4
)

// Delay returns the delay after a number of failures, at least one: First, doubled with each
// further failure, at most longest, which must be less than First<<9.
func Delay(failures int, longest time.Duration) time.Duration {
	if failures >= 10 {
		return longest
	}
	return min(First<<(failures-1), longest)
}

// Jitter returns d plus a random part of at most d/JitterFraction.
func Jitter(d time.Duration) time.Duration { return d + rand.N(d/JitterFraction) }
