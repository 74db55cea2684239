package egress

import (
	"fmt"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Rate is an amount that is available at once, and comes again evenly within a period. The zero value
// has no bound.
type Rate struct {
	Amount int64
	Period time.Duration
}

// Limits bound what a run, all runs of a function, those of a tenant, or all runs use of the network.
// A zero field has no bound.
type Limits struct {
	Connections int  // open at once, with dials and look-ups in progress
	Dials       Rate // dials and look-ups
	Bytes       Rate // sent and received
}

// Defaults of [Options]. Those of functions and tenants have no bound on connections: a share of what
// the server may have open is their bound.
var (
	defaultRun      = Limits{Connections: 128, Dials: Rate{1000, 10 * time.Second}, Bytes: Rate{20 * runtime.GiB, time.Hour}}
	defaultFunction = Limits{Dials: Rate{20_000, 10 * time.Second}, Bytes: Rate{200 * runtime.GiB, time.Hour}}
	defaultTenant   = Limits{Dials: Rate{40_000, 10 * time.Second}, Bytes: Rate{400 * runtime.GiB, time.Hour}}
)

// bucket is what is available of a Rate. It may be negative: bytes are counted after they were sent.
type bucket struct {
	spent float64 // of the amount
	at    time.Time
}

// left returns what is available of a rate at a time.
func (b *bucket) left(r Rate, now time.Time) float64 {
	if passed := now.Sub(b.at); passed > 0 {
		b.spent = max(0, b.spent-float64(r.Amount)*float64(passed)/float64(r.Period))
		b.at = now
	}
	return float64(r.Amount) - b.spent
}

// meter counts what one holder uses: a run, a function, a tenant or the server.
type meter struct {
	who    string // for messages
	limits Limits

	mu    sync.Mutex
	open  int // connections
	dials bucket
	bytes bucket

	users int // networks that use the meter; guarded by the mutex of its meters
}

// check returns the error of the limit that a connection would exceed.
func (m *meter) check(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checkConnection(now)
}

// begin counts a connection, or returns the error of check.
func (m *meter) begin(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.checkConnection(now); err != nil {
		return err
	}
	m.open++
	m.dials.spent++
	return nil
}

func (m *meter) checkConnection(now time.Time) error {
	l := &m.limits
	switch {
	case l.Connections > 0 && m.open >= l.Connections:
		return limitError(runtime.CodeTooBusy, 0, "close connections that are not used, and use one connection for several requests",
			"%s has %d connections open, the most that it may have", m.who, l.Connections)
	case l.Dials.Amount > 0 && m.dials.left(l.Dials, now) < 1:
		return limitError(runtime.CodeTooBusy, l.Dials.Period/time.Duration(l.Dials.Amount), "use one connection for several requests, such as with requests.Session",
			"%s may open at most %d connections, or look up names, in %g seconds", m.who, l.Dials.Amount, l.Dials.Period.Seconds())
	}
	return m.checkBytes(now)
}

// undo takes back a begin: what was begun does not happen.
func (m *meter) undo() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
	m.dials.spent = max(0, m.dials.spent-1)
}

// end ends what begin has counted.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
}

// count counts bytes, and returns an error once there are too many.
func (m *meter) count(n int64, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes.spent += float64(n)
	return m.checkBytes(now)
}

func (m *meter) checkBytes(now time.Time) error {
	if r := m.limits.Bytes; r.Amount > 0 && m.bytes.left(r, now) < 0 {
		return limitError(runtime.CodeTooLarge, 0, "transfer less, or spread it over a longer time",
			"%s has sent and received %s bytes, the most that it may within %s", m.who, runtime.SizeText(int(r.Amount)), period(r.Period))
	}
	return nil
}

func period(d time.Duration) string {
	if d == time.Hour {
		return "an hour"
	}
	return fmt.Sprintf("%g seconds", d.Seconds())
}

// idle reports whether a meter without users has nothing to remember.
func (m *meter) idle(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open == 0 && m.dials.left(m.limits.Dials, now) == float64(m.limits.Dials.Amount) &&
		m.bytes.left(m.limits.Bytes, now) == float64(m.limits.Bytes.Amount)
}

func limitError(code runtime.Code, retry time.Duration, hint, format string, args ...any) error {
	err := runtime.Errorf(code, format, args...).WithHint(hint)
	err.RetryAfter = retry
	return err
}

// meters are the meters of functions or tenants, by name.
type meters struct {
	who    string
	limits Limits

	mu    sync.Mutex
	all   map[string]*meter
	sweep int // number of meters from which on those that are idle are dropped
}

// minSweep is the least number of meters of which the idle ones are dropped.
const minSweep = 64

func newMeters(who string, l Limits) *meters {
	return &meters{who: who, limits: l, all: make(map[string]*meter), sweep: minSweep}
}

// acquire returns the meter of a name. The caller must release it.
func (s *meters) acquire(name string, now time.Time) *meter {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all[name]
	if m == nil {
		if len(s.all) >= s.sweep { // at most every second time that as many were added
			for other, m := range s.all {
				if m.users == 0 && m.idle(now) {
					delete(s.all, other)
				}
			}
			s.sweep = max(minSweep, 2*len(s.all))
		}
		m = &meter{who: s.who, limits: s.limits}
		s.all[name] = m
	}
	m.users++
	return m
}

func (s *meters) release(m *meter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.users--
}
