package egress

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"code.dny.dev/ssrf"

	"github.com/faaspot/faaspot/runtime"
)

// errDenied is the error for an address that may not be reached.
var errDenied = errors.New("the address is not allowed")

// guard decides which addresses may be reached at all: those of the public internet, and those on the
// operator's allow list.
type guard struct {
	public   *ssrf.Guardian
	networks []netip.Prefix
	hosts    map[string]bool // whose addresses do not matter, by hostKey
	own      func() (map[netip.Addr]bool, error)
}

// newGuard returns a guard with an allow list, or an error if an entry is no address, network or host.
func newGuard(allow []string) (*guard, error) {
	g := &guard{public: ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork()), hosts: make(map[string]bool), own: ownAddresses(net.InterfaceAddrs)}
	for _, text := range allow {
		if err := g.allow(text); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// allow adds an entry to the allow list.
func (g *guard) allow(text string) error {
	if network, err := netip.ParsePrefix(text); err == nil {
		g.networks = append(g.networks, network.Masked())
		return nil
	}
	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		address = address.Unmap()
		g.networks = append(g.networks, netip.PrefixFrom(address, address.BitLen()))
		return nil
	}
	host, port := text, ""
	if h, n, err := net.SplitHostPort(text); err == nil {
		host, port = h, n
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return allowListError(text)
		}
	}
	if host == "" || strings.ContainsAny(host, "/:@ \t*") {
		return allowListError(text)
	}
	g.hosts[hostKey(host, port)] = true
	return nil
}

func allowListError(text string) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "%q cannot be allowed: it is neither an address, nor a network, nor a host", text).
		WithHint("write it like 10.0.0.7, 10.0.0.0/8, hooks.internal or localhost:9000")
}

// hostKey returns the key of a host in the allow list; port may be empty.
func hostKey(host, port string) string {
	return strings.ToLower(strings.TrimSuffix(host, ".")) + " " + port
}

// admitsHost reports whether the operator allows a host by its name, whatever its addresses are.
func (g *guard) admitsHost(host, port string) bool {
	return g.hosts[hostKey(host, "")] || g.hosts[hostKey(host, port)]
}

// nat64 is the network whose addresses have an IPv4 address, which a translator connects to, in their
// last 32 bits.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// azureHost is an address of the public internet at which virtual machines of Azure reach the host
// below them.
var azureHost = netip.MustParseAddr("168.63.129.16")

// listed reports whether an address, which is not mapped from IPv4, is on the operator's allow list.
// A translated address is not if its IPv4 address may not be reached.
func (g *guard) listed(ip netip.Addr) bool {
	for _, network := range g.networks {
		if network.Contains(ip) {
			if nat64.Contains(ip) {
				b := ip.As16()
				return g.check(netip.AddrFrom4([4]byte(b[12:]))) == nil
			}
			return true
		}
	}
	return false
}

// check returns errDenied for an address that may not be reached.
func (g *guard) check(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	if g.listed(ip) {
		return nil
	}
	if g.public.SafeAddr(ip) != nil || ip == azureHost {
		return errDenied
	}
	if own, err := g.own(); err != nil || own[ip] {
		return errDenied
	}
	return nil
}

// ownPeriod is the time after which the addresses of the machine are read again.
const ownPeriod = time.Second

// ownAddresses returns a function that returns the addresses of the machine, which list returns.
func ownAddresses(list func() ([]net.Addr, error)) func() (map[netip.Addr]bool, error) {
	var mu sync.Mutex
	var known map[netip.Addr]bool // never changed
	var read time.Time
	return func() (map[netip.Addr]bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil && time.Since(read) < ownPeriod {
			return known, nil
		}
		all, err := list()
		if err != nil {
			return nil, err
		}
		known, read = make(map[netip.Addr]bool, len(all)), time.Now()
		for _, address := range all {
			if prefix, err := netip.ParsePrefix(address.String()); err == nil {
				known[prefix.Addr().Unmap().WithZone("")] = true
			}
		}
		return known, nil
	}
}
