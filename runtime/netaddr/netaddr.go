// Package netaddr has what several servers need to know of network addresses.
package netaddr

import (
	"net"
	"net/netip"
)

// Client returns the address that limits of a client apply to: of IPv6 the network of 64 bits, which one
// client commonly has as a whole. It is the zero address if a is not an address of TCP.
func Client(a net.Addr) netip.Addr {
	remote, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := remote.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return ip
}

// OnLoopback reports whether only this machine reaches HOST:PORT.
func OnLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
