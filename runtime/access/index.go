package access

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// credential is one way to use a token: by its secret, by the secret before the last rotation, or by
// its login and password.
type credential struct {
	*state
	until   int64       // Unix nanoseconds from which it is not valid; 0: none
	revoked atomic.Bool // it cannot be used any more
}

func newCredential(s *state, ends ...time.Time) *credential {
	c := &credential{state: s}
	for _, end := range ends {
		if at := end.UnixNano(); !end.IsZero() && (c.until == 0 || at < c.until) {
			c.until = at
		}
	}
	return c
}

// valid reports whether the credential can be used at a time.
func (c *credential) valid(now time.Time) bool {
	return (c.until == 0 || now.UnixNano() < c.until) && !c.revoked.Load()
}

// state is a token in memory.
type state struct {
	token    runtime.Token // guarded by the mutex of the Keeper
	bytes    int64         // counted as memory
	identity *runtime.Identity
	used     atomic.Int64 // Unix seconds of the last use, to the minute; 0: never
}

// lastUseStep is the precision of the last use of a token, in seconds: a use within it of the one
// before is not counted.
const lastUseStep = 60

// use records that the token was used.
func (s *state) use(now time.Time) {
	at := now.Unix()
	if last := s.used.Load(); at-last >= lastUseStep || at < last {
		s.used.CompareAndSwap(last, at)
	}
}

// index finds credentials by a hash. Look-ups take no lock. A change copies one of the parts, so its
// cost is that of a small map. The caller serialises changes. The time of a look-up depends on the
// hash of what the client has sent, which reveals nothing about the hashes of others.
type index [256]atomic.Pointer[map[[32]byte]*credential]

func (x *index) get(hash *[32]byte) *credential {
	if part := x[hash[0]].Load(); part != nil {
		return (*part)[*hash]
	}
	return nil
}

// setAll replaces what the index has, for any number of credentials at once.
func (x *index) setAll(all map[[32]byte]*credential) {
	var parts [len(x)]map[[32]byte]*credential
	for hash, c := range all {
		if parts[hash[0]] == nil {
			parts[hash[0]] = make(map[[32]byte]*credential)
		}
		parts[hash[0]][hash] = c
	}
	for i, part := range parts {
		if part != nil {
			x[i].Store(&part)
		}
	}
}

// set adds a credential; nil removes it.
func (x *index) set(hash [32]byte, c *credential) {
	changed := make(map[[32]byte]*credential)
	if part := x[hash[0]].Load(); part != nil {
		maps.Copy(changed, *part)
	}
	if c != nil {
		changed[hash] = c
	} else {
		delete(changed, hash)
	}
	x[hash[0]].Store(&changed)
}
