package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// The parameters of new hashes: the second recommendation of OWASP's Password Storage Cheat Sheet
	// for Argon2id.
	hashTime        = 2
	hashMemory      = 19 * 1024 // KiB
	hashParallelism = 1
	hashBytes       = 32
	saltBytes       = 16

	// maxHashing is the number of hashes that wait to be computed, the one in progress included.
	// Further ones are refused.
	maxHashing = 32
	// hashPatience bounds how long a hash waits for its turn.
	hashPatience = 2 * time.Second
	// cachedLogins and cacheTime bound the passwords that were found right, and how long they count as
	// such without another computation.
	cachedLogins = 1024
	cacheTime    = 5 * time.Minute
)

// passwords checks passwords. One hash is computed at a time, so that guessing takes no more than one
// processor and the memory of one hash.
type passwords struct {
	memory *memory.Account
	key    []byte // of the cache, random
	turn   chan struct{}
	asked  atomic.Int32 // hashes that are computed or wait
	nobody *runtime.PasswordHash

	mu    sync.Mutex
	right map[[32]byte]rightPassword // by the hash of the key, a login and a password
}

type rightPassword struct {
	*credential
	end time.Time
}

func newPasswords(b *memory.Budget) *passwords {
	return &passwords{
		memory: b.Open(memory.Options{Name: "password hashes", Heap: true, Requests: true}),
		key:    random(sha256.Size),
		turn:   make(chan struct{}, 1),
		right:  make(map[[32]byte]rightPassword),
		nobody: &runtime.PasswordHash{
			Salt: random(saltBytes), Hash: random(hashBytes), Time: hashTime, Memory: hashMemory, Parallelism: hashParallelism,
		},
	}
}

// loginHash returns the hash by which a login is found.
func loginHash(login string) [32]byte { return sha256.Sum256([]byte(login)) }

// AuthenticatePassword returns who has a login and its password; see runtime.Token. An unknown login
// costs the same computation as a wrong password. The errors are CodeUnauthenticated, and CodeTooBusy
// if too many passwords are being checked.
func (k *Keeper) AuthenticatePassword(ctx context.Context, login, password []byte) (*runtime.Identity, error) {
	if len(password) > runtime.MaxPassword {
		return nil, wrongPassword()
	}
	entry := k.passwords.entryOf(login, password)
	now := time.Now()
	if c := k.passwords.find(entry, now); c != nil {
		return c.identify(now)
	}
	hashed := sha256.Sum256(login)
	c := k.logins.get(&hashed)
	stored := k.passwords.nobody
	if c != nil {
		stored = c.token.Password // a state's password does not change
	}
	computed, err := k.passwords.compute(ctx, password, stored)
	if err != nil {
		return nil, err
	}
	now = time.Now()
	if same := subtle.ConstantTimeCompare(computed, stored.Hash) == 1; c == nil || !same || !c.valid(now) {
		return nil, wrongPassword()
	}
	k.passwords.keep(entry, c, now)
	return c.identify(now)
}

// KnownPassword returns the identity of a login and its password if that was found right a short time ago, else nil. It computes no hash
// of a password.
func (k *Keeper) KnownPassword(login, password []byte) *runtime.Identity {
	now := time.Now()
	if len(password) > runtime.MaxPassword {
		return nil
	}
	c := k.passwords.find(k.passwords.entryOf(login, password), now)
	if c == nil {
		return nil
	}
	who, err := c.identify(now)
	if err != nil {
		return nil
	}
	return who
}

func wrongPassword() error {
	return runtime.Errorf(runtime.CodeUnauthenticated, "the user name or the password is not valid").
		WithHint("the user name is the name of the token, followed by @ and the tenant unless that is " + string(runtime.DefaultTenant))
}

// newPassword returns the hash of a new password.
func (p *passwords) newPassword(ctx context.Context, password string) (*runtime.PasswordHash, error) {
	h := &runtime.PasswordHash{Salt: random(saltBytes), Time: hashTime, Memory: hashMemory, Parallelism: hashParallelism}
	var err error
	h.Hash, err = p.compute(ctx, []byte(password), h)
	return h, err
}

// compute computes a hash, when it is its turn.
func (p *passwords) compute(ctx context.Context, password []byte, h *runtime.PasswordHash) ([]byte, error) {
	defer p.asked.Add(-1)
	if p.asked.Add(1) > maxHashing {
		return nil, tooManyPasswords()
	}
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, tooManyPasswords()
	}
	defer func() { <-p.turn }()
	bytes := int64(h.Memory) * runtime.KiB
	if err := p.memory.Take(ctx, bytes); err != nil {
		return nil, err
	}
	defer p.memory.Give(bytes)
	return argon2.IDKey(password, h.Salt, h.Time, h.Memory, h.Parallelism, hashBytes), nil
}

func tooManyPasswords() error {
	err := runtime.Errorf(runtime.CodeTooBusy, "too many passwords are being checked").
		WithHint("try again in a moment, or use a token, which costs nothing to check")
	err.RetryAfter = runtime.BusyRetry
	return err
}

// entryOf returns the key of a login and a password in the cache.
func (p *passwords) entryOf(login, password []byte) [32]byte {
	h := sha256.New()
	_, _ = h.Write(p.key)
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(login))))
	_, _ = h.Write(login)
	_, _ = h.Write(password)
	return [32]byte(h.Sum(nil))
}

// find returns the credential of a password that was right a short time ago, or nil.
func (p *passwords) find(entry [32]byte, now time.Time) *credential {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, found := p.right[entry]
	if !found {
		return nil
	}
	if !now.Before(r.end) || !r.valid(now) {
		delete(p.right, entry)
		return nil
	}
	return r.credential
}

// keep remembers that a password was right. Beyond cachedLogins it forgets any other.
func (p *passwords) keep(entry [32]byte, c *credential, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.right) >= cachedLogins {
		for other := range p.right {
			delete(p.right, other)
			break
		}
	}
	p.right[entry] = rightPassword{c, now.Add(cacheTime)}
}
