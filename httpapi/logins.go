package httpapi

import (
	"container/list"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// A login is a ticket or a session of the console. At every moment it permits what its token permits.
type login struct {
	secret  TokenHash // of the ticket, or of the cookie of the session
	key     TokenHash // of the key that requests send beside the cookie; zero for a ticket
	token   TokenHash
	tenant  runtime.Tenant
	expires time.Time
}

const (
	// loginBytes is about the memory of a login, in bytes.
	loginBytes = 512
	// maxTokenLogins bounds the logins of one token: one more ends its oldest. maxTenantLogins bounds
	// those of a tenant: one more is refused. maxLogins bounds all: one more ends the oldest of the
	// tenant with the most, or is refused if its own tenant has about as many.
	maxTokenLogins  = 16
	maxTenantLogins = 256
	maxLogins       = 4096
)

// logins are all tickets, or all sessions, by the hashes of their secrets. They are in memory only. All
// methods may be called concurrently.
type logins struct {
	life   time.Duration // of each login
	memory *memory.Account

	mu       sync.Mutex
	all      map[TokenHash]*list.Element // of order
	order    *list.List                  // of *login, the first to expire first
	byToken  map[TokenHash][]*list.Element
	byTenant map[runtime.Tenant]int
}

func newLogins(life time.Duration, m *memory.Account) *logins {
	return &logins{
		life: life, memory: m, order: list.New(),
		all: make(map[TokenHash]*list.Element), byToken: make(map[TokenHash][]*list.Element), byTenant: make(map[runtime.Tenant]int),
	}
}

// add adds a login that expires after the life of the logins, and returns when. The error is CodeTooBusy.
func (l *logins) add(x login, now time.Time) (expires time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropExpired(now)
	if of := l.byToken[x.token]; len(of) >= maxTokenLogins {
		l.drop(of[0])
	}
	if l.byTenant[x.tenant] >= maxTenantLogins || l.order.Len() >= maxLogins && !l.makeRoom(l.byTenant[x.tenant]) {
		err := runtime.Errorf(runtime.CodeTooBusy, "too many sessions of the console are open").WithHint("log out in other browsers, or try again later")
		err.RetryAfter = l.life
		return time.Time{}, err
	}
	if !l.memory.TryTake(loginBytes) {
		return time.Time{}, l.memory.Refuse(loginBytes)
	}
	x.expires = now.Add(l.life)
	e := l.order.PushBack(&x)
	l.all[x.secret] = e
	l.byToken[x.token] = append(l.byToken[x.token], e)
	l.byTenant[x.tenant]++
	return x.expires, nil
}

// makeRoom ends the oldest login of the tenant with the most, for a tenant that has own logins, and reports whether
// it did. It ends none unless that tenant keeps more than own. The caller holds the lock.
func (l *logins) makeRoom(own int) bool {
	var largest runtime.Tenant
	most := own + 1
	for tenant, n := range l.byTenant {
		if n > most {
			largest, most = tenant, n
		}
	}
	if most == own+1 {
		return false
	}
	for e := l.order.Front(); e != nil; e = e.Next() {
		if e.Value.(*login).tenant == largest {
			l.drop(e)
			break
		}
	}
	return true
}

// get returns the login with a secret that has not expired, nil if there is none. It must not be changed.
func (l *logins) get(secret TokenHash, now time.Time) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropExpired(now)
	if e := l.all[secret]; e != nil {
		return e.Value.(*login)
	}
	return nil
}

// take ends the login with a secret and returns it, nil if there is none.
func (l *logins) take(secret TokenHash, now time.Time) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropExpired(now)
	e := l.all[secret]
	if e == nil {
		return nil
	}
	l.drop(e)
	return e.Value.(*login)
}

// dropExpired drops the logins that have expired. The caller holds the lock.
func (l *logins) dropExpired(now time.Time) {
	for e := l.order.Front(); e != nil && !now.Before(e.Value.(*login).expires); e = l.order.Front() {
		l.drop(e)
	}
}

// drop drops a login. The caller holds the lock.
func (l *logins) drop(e *list.Element) {
	x := l.order.Remove(e).(*login)
	delete(l.all, x.secret)
	of := l.byToken[x.token]
	for i := range of {
		if of[i] == e {
			of = append(of[:i], of[i+1:]...)
			break
		}
	}
	if l.byToken[x.token] = of; len(of) == 0 {
		delete(l.byToken, x.token)
	}
	if l.byTenant[x.tenant]--; l.byTenant[x.tenant] == 0 {
		delete(l.byTenant, x.tenant)
	}
	l.memory.Give(loginBytes)
}
