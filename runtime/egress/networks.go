package egress

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// dialTimeout bounds a dial, and lookupTimeout the look-up of a name. The end of the run ends them
	// earlier.
	dialTimeout   = 30 * time.Second
	lookupTimeout = 10 * time.Second
)

// NetworkOptions configure Networks. The zero value lets functions reach the public internet.
type NetworkOptions struct {
	// Allow is the operator's allow list, see [Options]. It lifts the ban of addresses, for functions
	// that allow them.
	Allow []string
	// Ceiling has the rules beyond which no function may reach anything, or [runtime.NoEgress] alone. Empty:
	// there is no ceiling.
	Ceiling []string
	// Proxy is the URL of a proxy, http or socks5, through which functions connect to the public
	// internet. Empty: none.
	Proxy string
	// Resolver resolves names. Nil: the resolver of Go, with the configuration of the machine.
	Resolver *net.Resolver
	// Run, Function, Tenant and Server bound what one run, all runs of a function, all runs of a tenant
	// and all runs use. Zero fields have defaults. The bound of Server on connections depends on the
	// files that the process may open; a tenant may have three quarters of it, a function half.
	Run, Function, Tenant, Server Limits
	// Uses returns the use of a tenant, which counts the bytes of a day and has a ceiling. Nil: no tenant
	// has one.
	Uses func(runtime.Tenant) *runtime.TenantUse
	// Calls is the number of connections that a run notes, see [runtime.EgressRecorder]. Zero: none.
	Calls int
	// Now returns the time for rates. Nil: time.Now.
	Now func() time.Time
}

// Networks implements [runtime.Networks].
type Networks struct {
	guard    *guard
	ceiling  *runtime.EgressCeiling // nil: there is none
	uses     func(runtime.Tenant) *runtime.TenantUse
	resolver *net.Resolver
	direct   dialer
	proxied  dialer // nil: there is no proxy
	now      func() time.Time
	patience time.Duration // dialTimeout, except in tests
	calls    int           // that a run notes

	run                Limits
	functions, tenants *meters
	server             *meter
}

var _ runtime.Networks = (*Networks)(nil)

// dialer connects to a host and port.
type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// NewNetworks returns Networks, or an error if an option is not valid.
func NewNetworks(o NetworkOptions) (*Networks, error) {
	guard, err := newGuard(o.Allow)
	if err != nil {
		return nil, err
	}
	n := &Networks{guard: guard, resolver: o.Resolver, uses: o.Uses, now: o.Now, patience: dialTimeout, calls: o.Calls}
	if n.ceiling, err = runtime.ParseEgressCeiling(o.Ceiling); err != nil {
		return nil, err
	}
	if n.uses == nil {
		n.uses = func(runtime.Tenant) *runtime.TenantUse { return nil }
	}
	direct := newDirect()
	n.direct = direct
	if o.Proxy != "" {
		if n.proxied, err = newProxy(o.Proxy, direct); err != nil {
			return nil, err
		}
	}
	n.resolver = prompt(n.resolver)
	if n.now == nil {
		n.now = time.Now
	}
	n.run = o.Run.or(defaultRun)
	o.Server.Connections = cmp.Or(o.Server.Connections, maxConnections())
	o.Tenant.Connections = cmp.Or(o.Tenant.Connections, o.Server.Connections*3/4)
	o.Function.Connections = cmp.Or(o.Function.Connections, o.Server.Connections/2)
	n.functions = newMeters("the function", o.Function.or(defaultFunction))
	n.tenants = newMeters("the tenant", o.Tenant.or(defaultTenant))
	n.server = &meter{who: "the server", limits: o.Server}
	return n, nil
}

// prompt returns a resolver like r whose connections to name servers end with their look-up. Those of Go's
// alone stay open until the name server has answered, or its time is over: a run could leave any number.
func prompt(r *net.Resolver) *net.Resolver {
	if r == nil {
		r = &net.Resolver{PreferGo: true} // a look-up of the system's takes a thread
	}
	dial := r.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &net.Resolver{PreferGo: r.PreferGo, StrictErrors: r.StrictErrors, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = c.Close() })
		}
		return c, err
	}}
}

// or returns the limits with other ones in place of zeros.
func (l Limits) or(other Limits) Limits {
	l.Connections = cmp.Or(l.Connections, other.Connections)
	l.Dials = cmp.Or(l.Dials, other.Dials)
	l.Bytes = cmp.Or(l.Bytes, other.Bytes)
	return l
}

// maxConnections returns the number of connections that all runs may have open: half of the files that
// the process may open.
func maxConnections() int {
	const least, most = 128, 1 << 16
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return least
	}
	return int(max(least, min(l.Cur/2, most)))
}

// CheckAllow implements [runtime.Networks].
func (n *Networks) CheckAllow(tenant runtime.Tenant, allow []string) error {
	own := n.uses(tenant).EgressCeiling()
	if n.ceiling == nil && own == nil {
		return nil
	}
	rules, err := runtime.ParseAllow(allow)
	if err != nil {
		return err
	}
	for _, r := range rules {
		covers := func(c runtime.AllowRule) bool { return c.Covers(r) }
		if !n.ceiling.Allows(covers) || !own.Allows(covers) {
			return runtime.Errorf(runtime.CodePermissionDenied, "the rule %q is beyond what the operator of this server allows functions to reach", r).
				WithHint("leave it out, or " + ceilingHint)
		}
	}
	return nil
}

const ceilingHint = "ask the operator to extend `fas serve --egress-ceiling`, or the egress hosts of the tenant"

// Open implements [runtime.Networks].
func (n *Networks) Open(p *runtime.Program) runtime.Network {
	ctx, cancel := context.WithCancel(context.Background())
	now := n.now()
	w := &network{
		networks: n, account: n.uses(p.Tenant), allow: p.Allow, ctx: ctx, cancel: cancel,
		run:         meter{who: "the run", limits: n.run},
		function:    n.functions.acquire(p.FunctionID, now),
		tenant:      n.tenants.acquire(string(p.Tenant), now),
		connections: make(map[*connection]struct{}),
	}
	w.levels = [...]*meter{&w.run, w.function, w.tenant, n.server}
	return w
}

// resolve looks up a name, and returns its addresses that may be reached.
func (n *Networks) resolve(ctx context.Context, network, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := n.resolver.LookupNetIP(ctx, network, name)
	if err != nil {
		return nil, lookupError(name, err)
	}
	var addresses []netip.Addr
	for _, address := range found {
		address = address.Unmap().WithZone("")
		if len(addresses) < runtime.MaxAddresses && !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	if len(addresses) == 0 {
		return nil, lookupError(name, &net.DNSError{Name: name, Err: "no addresses", IsNotFound: true})
	}
	return addresses, nil
}

func lookupError(name string, err error) error {
	dns, _ := errors.AsType[*net.DNSError](err)
	e := runtime.Errorf(runtime.CodeUnavailable, "the name %s cannot be resolved at the moment", name)
	switch {
	case dns != nil && dns.IsNotFound:
		e = runtime.Errorf(runtime.CodeNotFound, "the name %s does not exist", name)
	case errors.Is(err, context.Canceled):
		e = closedError()
	}
	e.Err = err
	return e
}

func closedError() *runtime.Error {
	return runtime.Errorf(runtime.CodeUnavailable, "the run has ended")
}

// dialError returns the error of a dial to a host and port.
func dialError(host string, port uint16, err error) error {
	e := runtime.Errorf(runtime.CodeUnavailable, "cannot connect to %s", hostPort(host, port))
	switch {
	case errors.Is(err, errProxy):
		e.Message += ": the proxy of the server refused it, or cannot be reached"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message += ": the connection was refused"
	case errors.Is(err, context.Canceled):
		e = closedError()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		e.Message += ": no answer arrived in time"
	}
	e.Err = err
	return e
}

// hostPort returns a host and a port as they are written in a rule.
func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
