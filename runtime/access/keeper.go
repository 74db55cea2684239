package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// Options of a Keeper. Store must be set.
type Options struct {
	Store  runtime.AccessStore
	Memory *memory.Budget // for tokens, and for the hashes of passwords. Nil: there is no bound
	Log    *slog.Logger   // nil: the default
	// Admin is the SHA-256 of the token that is operator, and admin of the default tenant. Zero: there
	// is none.
	Admin [sha256.Size]byte
	// Limits are those of tenants that have none of their own.
	Limits runtime.TenantLimits
	// Stored returns what a tenant has stored. Nil: nothing is known.
	Stored func(runtime.Tenant) runtime.TenantStored
	// OwnWorkers is the largest number of tenants that have a worker of their own. Zero: none may have
	// one.
	OwnWorkers int
	// Follow says that another process changes what is in the Store, until Lead is called: the Keeper changes nothing, and
	// Changed must be called with what has changed.
	Follow bool
	// Clock gives times and ids. Nil: one of the time of day.
	Clock *runtime.Clock
}

// tenant is a tenant in memory.
type tenant struct {
	runtime.TenantRecord
	tokens map[string]*state // by name
	ids    []string          // of the tokens, sorted
	use    *runtime.TenantUse
}

// Keeper has the tenants and tokens of a server.
type Keeper struct {
	store  runtime.AccessStore
	log    *slog.Logger
	clock  *runtime.Clock
	memory *memory.Account

	secrets   index // by the SHA-256 of a secret
	logins    index // by the SHA-256 of a login, see runtime.Token
	passwords *passwords
	defaults  runtime.TenantLimits
	stored    func(runtime.Tenant) runtime.TenantStored
	maxOwn    int      // tenants that may have a worker of their own
	uses      sync.Map // of all tenants: runtime.Tenant to *runtime.TenantUse

	mu      sync.Mutex        // guards the fields below, and serialises changes; held while one is stored
	admin   [sha256.Size]byte // see Options
	nodes   int               // among which limits of tenants are divided
	tenants map[runtime.Tenant]*tenant
	names   []string          // of the tenants, sorted
	tokens  map[string]*state // by id
	ids     []string          // of all tokens, sorted
	engine  Engine            // nil: not started

	wake    chan struct{}   // a tenant is to be deleted
	running context.Context // until Close
	stop    context.CancelFunc
	closed  sync.WaitGroup
}

const (
	// unboundedMemory is the budget, in bytes, without one in the Options.
	unboundedMemory = 1 << 50
	// tokenBytes is about the memory of a token, in bytes, without its functions.
	tokenBytes = 1 * runtime.KiB
	// tenantBytes is about the memory of a tenant, in bytes, without its tokens.
	tenantBytes = 704
	// ruleBytes is about the memory of a parsed rule of a ceiling with its name, in bytes.
	ruleBytes = 256
)

// Open reads all tenants and tokens.
func Open(o Options) (*Keeper, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = runtime.NewClock(time.Now)
	}
	if o.Stored == nil {
		o.Stored = func(runtime.Tenant) runtime.TenantStored { return runtime.TenantStored{} }
	}
	if o.Memory == nil {
		o.Memory = memory.New(unboundedMemory, o.Log)
	}
	k := &Keeper{
		store: o.Store, log: o.Log, clock: o.Clock,
		memory:    o.Memory.Open(memory.Options{Name: "tenants and tokens", Heap: true}),
		passwords: newPasswords(o.Memory),
		defaults:  o.Limits,
		stored:    o.Stored,
		maxOwn:    o.OwnWorkers,
		tenants:   make(map[runtime.Tenant]*tenant),
		tokens:    make(map[string]*state),
		wake:      make(chan struct{}, 1),
		nodes:     1,
	}
	k.addTenant(runtime.TenantRecord{Name: runtime.DefaultTenant})
	if err := k.load(); err != nil {
		return nil, err
	}
	k.SetAdmin(o.Admin)
	k.running, k.stop = context.WithCancel(context.Background())
	if !o.Follow {
		k.Lead()
	}
	return k, nil
}

func (k *Keeper) load() error {
	err := k.store.EachTenant(func(t runtime.TenantRecord) error {
		if known := k.tenants[t.Name]; known != nil { // the default one, which has limits
			known.Limits, known.Egress, known.OwnWorker = t.Limits, t.Egress, t.OwnWorker
			known.use.SetLimits(t.Limits.Effective(k.defaults))
			known.use.SetEgress(t.Egress)
			known.use.SetOwnWorker(t.OwnWorker)
			k.memory.Add(limitsBytes(&t.Limits))
			return nil
		}
		k.memory.Add(tenantBytes + limitsBytes(&t.Limits))
		k.addTenant(t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the tenants: %w", err)
	}
	loaded := map[*index]map[[32]byte]*credential{&k.secrets: {}, &k.logins: {}}
	err = k.store.EachToken(func(t runtime.Token) error {
		if t.Tenant != "" && k.tenants[t.Tenant] == nil {
			k.log.Error("access: a token belongs to no tenant: it is ignored", "token", t.ID, "tenant", string(t.Tenant))
			return nil
		}
		k.memory.Add(sizeOf(&t))
		s := k.link(t)
		maps.Copy(loaded[k.indexOf(s)], s.credentials())
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the tokens: %w", err)
	}
	for all, credentials := range loaded {
		all.setAll(credentials)
	}
	return nil
}

// Close ends the goroutine of the Keeper, which stores the last uses of tokens.
func (k *Keeper) Close() error {
	k.stop()
	k.closed.Wait()
	return nil
}

// Authenticate returns who has a token. The error of one that is unknown, expired or revoked is
// CodeUnauthenticated.
func (k *Keeper) Authenticate(token []byte) (*runtime.Identity, error) {
	return k.AuthenticateHash(sha256.Sum256(token))
}

// AuthenticateHash is Authenticate for the SHA-256 of a token.
func (k *Keeper) AuthenticateHash(hash [sha256.Size]byte) (*runtime.Identity, error) {
	c := k.secrets.get(&hash)
	if c == nil {
		return nil, runtime.InvalidTokenError()
	}
	return c.identify(time.Now())
}

// identify returns the identity of a credential that is valid, and records its use.
func (c *credential) identify(now time.Time) (*runtime.Identity, error) {
	if !c.valid(now) {
		return nil, runtime.InvalidTokenError()
	}
	c.use(now)
	return c.identity, nil
}

// addTenant adds a tenant in memory.
func (k *Keeper) addTenant(t runtime.TenantRecord) *tenant {
	added := &tenant{TenantRecord: t, tokens: make(map[string]*state), use: runtime.NewTenantUse(t.Limits.Effective(k.defaults))}
	added.use.SetEgress(t.Egress)
	added.use.SetOwnWorker(t.OwnWorker)
	if t.Deleting {
		added.use.Close()
	}
	added.use.SetNodes(k.nodes)
	k.uses.Store(t.Name, added.use)
	k.tenants[t.Name] = added
	k.names = insert(k.names, string(t.Name))
	return added
}

// ownerOf returns the tenant of a token. Tokens of the server have one as well, which has no name.
func (k *Keeper) ownerOf(name runtime.Tenant) *tenant {
	t := k.tenants[name]
	if t == nil && name == "" {
		t = &tenant{tokens: make(map[string]*state)}
		k.tenants[""] = t
	}
	return t
}

// addToken adds a token in memory, in place of one with its id. What is valid before and after can be
// used all the time.
func (k *Keeper) addToken(t runtime.Token) {
	old := k.tokens[t.ID]
	s := k.link(t)
	all, valid := k.indexOf(s), s.credentials()
	if t.HasPassword() {
		k.revoke(all, loginHash(t.Login())) // another password has its results in the cache
	}
	for hash, c := range valid {
		all.set(hash, c)
	}
	if old != nil {
		for hash := range old.credentials() {
			if valid[hash] == nil {
				k.revoke(all, hash)
			}
		}
	}
}

// link adds a token to its tenant, in place of one with its id, without its credentials.
func (k *Keeper) link(t runtime.Token) *state {
	owner := k.ownerOf(t.Tenant)
	s := &state{token: t, bytes: sizeOf(&t), identity: t.Identity(owner.use)}
	if !t.LastUsed.IsZero() {
		s.used.Store(t.LastUsed.Unix())
	}
	if old := k.tokens[t.ID]; old != nil {
		s.used.Store(old.used.Load())
	}
	k.tokens[t.ID], owner.tokens[t.Name] = s, s
	k.ids, owner.ids = insert(k.ids, t.ID), insert(owner.ids, t.ID)
	return s
}

// forget removes a token from memory. Nobody can use it from then on.
func (k *Keeper) forget(s *state) {
	owner := k.ownerOf(s.token.Tenant)
	delete(k.tokens, s.token.ID)
	delete(owner.tokens, s.token.Name)
	k.ids, owner.ids = remove(k.ids, s.token.ID), remove(owner.ids, s.token.ID)
	for hash := range s.credentials() {
		k.revoke(k.indexOf(s), hash)
	}
	k.memory.Give(s.bytes)
}

// revoke ends a credential, if there is one with the hash.
func (k *Keeper) revoke(all *index, hash [32]byte) {
	if c := all.get(&hash); c != nil {
		c.revoked.Store(true)
		all.set(hash, nil)
	}
}

// credentials returns new credentials of a token by their hashes.
func (s *state) credentials() map[[32]byte]*credential {
	t := &s.token
	if t.HasPassword() {
		return map[[32]byte]*credential{loginHash(t.Login()): newCredential(s, t.Expires)}
	}
	all := map[[32]byte]*credential{t.Hash: newCredential(s, t.Expires)}
	if !t.PreviousExpires.IsZero() {
		all[t.Previous] = newCredential(s, t.Expires, t.PreviousExpires)
	}
	return all
}

// indexOf returns the index that has the credentials of a token.
func (k *Keeper) indexOf(s *state) *index {
	if s.token.HasPassword() {
		return &k.logins
	}
	return &k.secrets
}

// limitsBytes returns about the memory of the rules of a tenant, in bytes: as text, and parsed.
func limitsBytes(l *runtime.TenantLimits) int64 {
	return int64(len(l.EgressHosts)) + int64(len(l.Hosts()))*ruleBytes
}

// sizeOf returns about the memory of a token, in bytes.
func sizeOf(t *runtime.Token) int64 {
	n := tokenBytes
	for _, f := range t.Functions {
		n += 2 * len(f)
	}
	return int64(n)
}

// insert adds a text to a sorted list, unless it is there.
func insert(sorted []string, text string) []string {
	i, found := slices.BinarySearch(sorted, text)
	if found {
		return sorted
	}
	return slices.Insert(sorted, i, text)
}

// remove removes a text from a sorted list.
func remove(sorted []string, text string) []string {
	if i, found := slices.BinarySearch(sorted, text); found {
		return slices.Delete(sorted, i, i+1)
	}
	return sorted
}

// pageOf returns the part of a sorted list that a page has, and the After of the next one.
func pageOf(sorted []string, r runtime.PageRequest) (page []string, next string) {
	r = r.Bounded()
	from, found := slices.BinarySearch(sorted, r.After)
	if found {
		from++
	}
	page = sorted[from:min(from+r.Limit, len(sorted))]
	if from+len(page) < len(sorted) {
		next = page[len(page)-1]
	}
	return page, next
}

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
