package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// checkAddress checks the form of an address to listen at.
func checkAddress(address string) error {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return clierror.Usagef("give host and port, such as "+DefaultListen, "the address %q to listen at is not valid", address)
	}
	return nil
}

// listen opens the server's port. It comes before everything else, so that a port in use is
// reported at once.
func listen(address string) (net.Listener, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, runtime.Errorf(runtime.CodeUnavailable, "another process already listens at %s", address).
			WithHint("stop it, or choose another address with --listen, such as 127.0.0.1:8081")
	case errors.Is(err, syscall.EACCES):
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "this user has no permission to listen at %s", address).
			WithHint("choose a port from 1024 on with --listen")
	case err != nil:
		return nil, clierror.Usagef("choose another address with --listen", "cannot listen at %s: %v", address, err)
	}
	return l, nil
}

// place is the address at which clients on this machine reach the server.
type place struct {
	host   string
	port   int
	secure bool // requests are encrypted
}

// placeOf returns the place of a listener. A listener at every address of the machine is reached at
// the loopback address.
func placeOf(address net.Addr) (place, error) {
	at, err := netip.ParseAddrPort(address.String())
	if err != nil {
		return place{}, err
	}
	host := at.Addr().Unmap()
	if host.IsUnspecified() {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return place{host: host.String(), port: int(at.Port())}, nil
}

func (p place) String() string { return net.JoinHostPort(p.host, strconv.Itoa(p.port)) }
func (p place) scheme() string {
	if p.secure {
		return "https"
	}
	return "http"
}
func (p place) url() string { return p.scheme() + "://" + p.String() }

// beyond reports whether other machines can reach a listener.
func beyond(address net.Addr) bool {
	at, err := netip.ParseAddrPort(address.String())
	return err == nil && !at.Addr().Unmap().IsLoopback()
}

// writeAddress writes the server's address to a file, for scripts that let the server choose a
// port. The file appears only when it is complete.
func writeAddress(path string, address net.Addr) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(address.String()+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the address file: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write the address file: %w", err)
	}
	return nil
}
