package egress

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// maxResolved is the number of pairs of a name and an address that a run remembers. It forgets the
// oldest beyond that.
const maxResolved = 4 * runtime.MaxAddresses

// network is what one run may reach.
type network struct {
	networks *Networks
	account  *runtime.TenantUse // of the tenant
	allow    []string           // the function's
	ctx      context.Context
	cancel   context.CancelFunc
	levels   [4]*meter // run, function, tenant, server
	run      meter
	function *meter
	tenant   *meter
	working  sync.WaitGroup // dials and look-ups

	mu          sync.Mutex
	rules       []runtime.AllowRule // of allow; nil: it was not parsed yet
	resolved    []resolution        // oldest first
	connections map[*connection]struct{}
	used        []*runtime.Egress
	calls       []runtime.EgressCall
	callsLost   int
	closed      bool
}

// resolution is an address that a name was resolved to.
type resolution struct {
	name    string
	address netip.Addr
}

// target is a destination that a rule allows.
type target struct {
	network string
	host    string // name or address
	to      netip.AddrPort
	named   bool // host is a name
}

// start begins a dial or a look-up, which counts as a connection. The caller must call done.
func (w *network) start(ctx context.Context) (_ context.Context, done func(), err error) {
	if err := w.enter(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(w.ctx, cancel)
	return ctx, func() { stop(); cancel(); w.working.Done() }, nil
}

// enter counts a connection, and what Close waits for. The caller must call working.Done.
func (w *network) enter() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return closedError()
	}
	if err := w.begin(); err != nil {
		return err
	}
	w.working.Add(1)
	return nil
}

// begin counts a connection with the run, its function, its tenant and the server, or with none.
func (w *network) begin() error {
	now := w.networks.now()
	if err := w.account.CheckEgress(now); err != nil {
		return err
	}
	for i, m := range w.levels {
		if err := m.begin(now); err != nil {
			for _, m := range w.levels[:i] {
				m.undo()
			}
			return err
		}
	}
	return nil
}

// end ends what begin has counted.
func (w *network) end() {
	for _, m := range w.levels {
		m.end()
	}
}

// allows reports whether a rule for which match returns true is listed by the function, and whether
// such a rule is in the ceilings of the server and of the tenant as well.
func (w *network) allows(match func(runtime.AllowRule) bool) (allowed, listed bool) {
	if !slices.ContainsFunc(w.parsed(), match) {
		return false, false
	}
	return w.networks.ceiling.Allows(match) && w.account.EgressCeiling().Allows(match), true
}

// parsed returns the rules of the function. Most runs of many functions reach nothing: they need not
// pay for it.
func (w *network) parsed() []runtime.AllowRule {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rules == nil {
		rules, err := runtime.ParseAllow(w.allow)
		if err != nil { // what cannot be read allows nothing
			rules = []runtime.AllowRule{}
		}
		w.rules = rules
	}
	return w.rules
}

// Resolve implements [runtime.Network].
func (w *network) Resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	name, address, err := runtime.ParseHost(host)
	switch {
	case err != nil:
		return nil, err
	case network != "ip" && network != "ip4" && network != "ip6":
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "%q is not a family of addresses", network)
	case address.IsValid() && (network == "ip4" && !address.Is4() || network == "ip6" && !address.Is6()):
		return nil, runtime.Errorf(runtime.CodeNotFound, "%s is an address of another family", address)
	case address.IsValid():
		return []netip.Addr{address}, nil
	}
	if allowed, listed := w.allows(func(r runtime.AllowRule) bool { return r.AllowsName(name) }); !allowed {
		return nil, deniedError(listed, name, `"`+name+`:PORT"`)
	}
	ctx, done, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	defer w.end()
	if network == "ip" { // one socket for each family
		if err := w.begin(); err != nil {
			return nil, err
		}
		defer w.end()
	}
	began := time.Now()
	addresses, err := w.networks.resolve(ctx, network, name)
	if err != nil {
		w.failed(target{host: name}, began, err)
		return nil, err
	}
	// What a private name resolves to is no business of the function.
	reachable := slices.DeleteFunc(addresses, func(a netip.Addr) bool { return !w.mayReach(name, a) })
	if len(reachable) == 0 {
		return nil, bannedError(name)
	}
	w.remember(name, reachable)
	return reachable, nil
}

// mayReach reports whether the operator permits to connect to an address of a name, at any port that a
// rule allows for it.
func (w *network) mayReach(name string, address netip.Addr) bool {
	g := w.networks.guard
	return g.check(address) == nil || slices.ContainsFunc(w.parsed(), func(r runtime.AllowRule) bool {
		return r.AllowsName(name) && g.admitsHost(name, strconv.Itoa(int(r.Port())))
	})
}

// remember notes the addresses of a name.
func (w *network) remember(name string, addresses []netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, address := range addresses {
		r := resolution{name, address}
		if i := slices.Index(w.resolved, r); i >= 0 {
			w.resolved = slices.Delete(w.resolved, i, i+1)
		}
		w.resolved = append(w.resolved, r)
	}
	if extra := len(w.resolved) - maxResolved; extra > 0 {
		w.resolved = slices.Delete(w.resolved, 0, extra)
	}
}

// names returns the names that were resolved to an address, latest first.
func (w *network) names(address netip.Addr) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range slices.Backward(w.resolved) {
		if r.address == address {
			names = append(names, r.name)
		}
	}
	return names
}

// admit returns the target that a rule allows for an address, or an error.
func (w *network) admit(network string, to netip.AddrPort) (target, error) {
	if network != "tcp" && network != "udp" {
		return target{}, runtime.Errorf(runtime.CodeInvalidArgument, "%q is neither tcp nor udp", network)
	}
	if to.Addr().Zone() != "" || !to.IsValid() || to.Port() == 0 {
		return target{}, runtime.Errorf(runtime.CodeInvalidArgument, "%s is not an address that can be connected to", to)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	matches := func(r runtime.AllowRule) bool { return r.Network() == network && r.Port() == to.Port() }
	t := target{network: network, to: to}
	anyListed := false
	names := w.names(to.Addr())
	for _, name := range names {
		allowed, listed := w.allows(func(r runtime.AllowRule) bool { return matches(r) && r.AllowsName(name) })
		anyListed = anyListed || listed
		if allowed {
			t.host, t.named = name, true
			break
		}
	}
	if t.host == "" {
		allowed, listed := w.allows(func(r runtime.AllowRule) bool { return matches(r) && r.AllowsAddress(to.Addr()) })
		anyListed = anyListed || listed
		if !allowed {
			host := to.Addr().String()
			if len(names) > 0 {
				host = names[0]
			}
			what := hostPort(host, to.Port())
			if network == "udp" {
				what = "udp:" + what
			}
			return target{}, deniedError(anyListed, what, strconv.Quote(what))
		}
		t.host = to.Addr().String()
	}
	if !t.named || !w.networks.guard.admitsHost(t.host, strconv.Itoa(int(to.Port()))) {
		if w.networks.guard.check(to.Addr()) != nil {
			return target{}, bannedError(t.host)
		}
	}
	return t, nil
}

// deniedError returns the error for a destination that the function does not list, or that is listed
// but beyond the ceiling. A rule that allows it is for the hint.
func deniedError(listed bool, what, rule string) error {
	if listed {
		return runtime.Errorf(runtime.CodePermissionDenied, "the operator of this server does not allow functions to reach %s", what).
			WithHint(ceilingHint)
	}
	return runtime.Errorf(runtime.CodePermissionDenied, "the function may not reach %s: it is not in its allow list", what).
		WithHint("add " + rule + ` to the "allow" of the function`)
}

// bannedError returns the error for a host with an address that only the operator can allow.
func bannedError(host string) error {
	return runtime.Errorf(runtime.CodePermissionDenied,
		"%s has an address that this server may not reach, unless its operator allows it with `fas serve --egress-allow ADDRESS`", host)
}

// Check implements [runtime.Network].
func (w *network) Check(network string, to netip.AddrPort) error {
	t, err := w.admit(network, to)
	if err != nil {
		return err
	}
	if _, err := w.networks.dialer(t); err != nil {
		return err
	}
	now := w.networks.now()
	if err := w.account.CheckEgress(now); err != nil {
		return err
	}
	for _, m := range w.levels {
		if err := m.check(now); err != nil {
			return err
		}
	}
	return nil
}

// CheckServerName implements [runtime.Network].
func (w *network) CheckServerName(name string) error {
	err := w.checkServerName(name, netip.Addr{})
	if err == nil && w.networks.calls > 0 {
		w.markTLS(name)
	}
	return err
}

// checkServerName returns an error if no TCP rule allows a name, or the address that the connection
// goes to, which is zero if it is not known.
func (w *network) checkServerName(name string, to netip.Addr) error {
	if name == "" {
		return nil
	}
	host, address, err := runtime.ParseHost(name)
	if err != nil {
		return err
	}
	if address.IsValid() {
		host = strings.TrimSuffix(hostPort(address.String(), 0), ":0")
	}
	allowed, listed := w.allows(func(r runtime.AllowRule) bool {
		return r.Network() == "tcp" && (r.AllowsAddress(to) || address.IsValid() && r.AllowsAddress(address) || !address.IsValid() && r.AllowsName(host))
	})
	if allowed {
		return nil
	}
	return deniedError(listed, host, `"`+host+`:PORT"`)
}

// Dial implements [runtime.Network].
func (w *network) Dial(ctx context.Context, network string, to netip.AddrPort) (runtime.Connection, error) {
	t, err := w.admit(network, to)
	if err != nil {
		return nil, err
	}
	ctx, done, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	began := time.Now()
	socket, err := w.networks.dial(ctx, t)
	if err != nil {
		w.failed(t, began, err)
	} else {
		var c *stream
		if c, err = w.add(t, socket, began); err == nil {
			return c, nil
		}
		_ = socket.Close()
	}
	w.end()
	return nil, err
}

// dialer returns what connects to a target. What the operator allows by its address or name is near,
// and reached without a proxy.
func (n *Networks) dialer(t target) (dialer, error) {
	switch {
	case n.proxied == nil || n.guard.listed(t.to.Addr()) || t.named && n.guard.admitsHost(t.host, strconv.Itoa(int(t.to.Port()))):
		return n.direct, nil
	case t.network != "tcp":
		return nil, runtime.Errorf(runtime.CodePermissionDenied, "the function may not reach %s by UDP: this server connects through a proxy, which has TCP only",
			hostPort(t.host, t.to.Port())).WithHint("use TCP, or ask the operator to list the address with `fas serve --egress-allow`")
	}
	return n.proxied, nil
}

// dial connects to a target.
func (n *Networks) dial(ctx context.Context, t target) (net.Conn, error) {
	d, err := n.dialer(t)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.patience)
	defer cancel()
	socket, err := d.DialContext(ctx, t.network, t.to.String())
	if err != nil {
		return nil, dialError(t.host, t.to.Port(), err)
	}
	return socket, nil
}

// add adds a connection that was opened.
func (w *network) add(t target, socket net.Conn, began time.Time) (*stream, error) {
	s, err := newStream(w, t, socket)
	if err != nil {
		return nil, err
	}
	s.connection.began = began
	if err := w.keep(s.connection); err != nil {
		return nil, err
	}
	w.use(s.connection)
	return s, nil
}

// keep makes Close close a connection.
func (w *network) keep(c *connection) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return closedError()
	}
	w.connections[c] = struct{}{}
	return nil
}

// use counts the use of a connection that is made.
func (w *network) use(c *connection) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.opened, c.used = time.Now(), w.usage(c.target)
	c.used.Connections++
}

// usage returns what counts the use of a target. The caller holds the lock.
func (w *network) usage(t target) *runtime.Egress {
	e := runtime.Egress{Network: t.network, Host: t.host, Port: t.to.Port()}
	if i := slices.IndexFunc(w.used, func(u *runtime.Egress) bool {
		return u.Network == e.Network && u.Host == e.Host && u.Port == e.Port
	}); i >= 0 {
		return w.used[i]
	}
	switch {
	case len(w.used) == runtime.MaxEgress:
		e = runtime.Egress{Host: runtime.OtherHosts}
	case len(w.used) > runtime.MaxEgress:
		return w.used[runtime.MaxEgress]
	}
	w.used = append(w.used, &e)
	return &e
}

// Close implements [runtime.Network]. A second call returns the same.
func (w *network) Close() []runtime.Egress {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	var open []*connection
	for c := range w.connections {
		open = append(open, c)
	}
	w.mu.Unlock()
	w.cancel()
	for _, c := range open {
		_ = c.Close()
	}
	w.working.Wait()
	if first {
		w.networks.functions.release(w.function)
		w.networks.tenants.release(w.tenant)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var used []runtime.Egress
	for _, e := range w.used {
		e := *e
		e.Duration = e.Duration.Round(time.Microsecond)
		used = append(used, e)
	}
	return used
}
