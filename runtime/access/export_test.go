package access

import (
	"time"

	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	CachedLogins = cachedLogins
	DeleteStep   = deleteStep
)

// PasswordCache is the cache of passwords that were right.
type PasswordCache struct{ *passwords }

func NewPasswordCache() PasswordCache { return PasswordCache{newPasswords(memory.New(1<<30, nil))} }

// KeepRandom adds a password that no other is like.
func (c PasswordCache) KeepRandom() { c.keep([32]byte(random(32)), &credential{}, time.Now()) }

func (c PasswordCache) Len() int { return len(c.right) }
