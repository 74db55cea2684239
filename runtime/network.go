package runtime

import (
	"context"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Networks opens the networks of runs, within the bounds that the operator sets. Its methods may be
// called concurrently.
type Networks interface {
	// CheckAllow returns an error if the operator lets no function of a tenant reach what an allow list
	// allows. The list is one that [NormalAllow] has returned.
	CheckAllow(tenant Tenant, allow []string) error
	// Open returns the network of a run of a program. The caller must close it.
	Open(p *Program) Network
}

// Network is what one run may reach: what the allow list of its function names, and nothing else. Its
// methods may be called concurrently.
//
// Errors are of type [*Error]. CodePermissionDenied is the code for what is not allowed,
// CodeInvalidArgument for a host that is none, CodeNotFound for a name that does not exist,
// CodeTooBusy and CodeTooLarge if a limit is reached, and CodeUnavailable for all else. The chain of
// an error has the system's error, such as a syscall.Errno, if there is one.
type Network interface {
	// Resolve returns the addresses of a host that a rule allows, and remembers them for Dial: at most
	// [MaxAddresses], not mapped from IPv4 to IPv6. Network is "ip", "ip4" or "ip6". A host that is an
	// address is returned as it is; only Dial checks it.
	Resolve(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Dial connects to an address: one that a rule allows, or one that Resolve has returned for a name
	// that a rule allows with this port. Network is "tcp" or "udp".
	Dial(ctx context.Context, network string, to netip.AddrPort) (Connection, error)
	// Check returns the error with which Dial would refuse an address at once, because of the rules or a
	// limit. It does not wait.
	Check(network string, to netip.AddrPort) error
	// CheckServerName returns an error if TLS may not ask for a server of this name or address over a
	// connection that is not known: a TCP rule must allow it, whatever its port. TLS without a name is
	// allowed.
	CheckServerName(name string) error
	// Close ends all that goes on, and returns what the run has used. After that, nothing is reached.
	Close() []Egress
}

// MaxAddresses is the number of addresses of a host that a run gets.
const MaxAddresses = 64

// Connector is a Network that can begin to connect without waiting.
type Connector interface {
	// Connect is Dial without a wait: the connection may still be in the making. It returns nil, without
	// an error, if the address needs Dial.
	Connect(network string, to netip.AddrPort) (Connecting, error)
}

// Socket is what all connections of a run have. A caller that uses SyscallConn must count the bytes.
type Socket interface {
	io.Closer
	syscall.Conn
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// Count counts bytes that were sent and received. The caller must close the connection after an
	// error, which says which limit is reached.
	Count(sent, received int) error
	// CheckServerName returns an error if TLS may not ask for a server of this name or address: a TCP
	// rule must allow it, or the address of the connection as such, whatever the rule's port. So TLS
	// through a proxy needs a rule for the proxy and one for the server. TLS without a name is allowed.
	CheckServerName(name string) error
}

// Connection is a connection of a run. Read and Write count bytes.
type Connection interface {
	net.Conn
	Socket
}

// Connecting is a Socket that a Connector has returned.
type Connecting interface {
	Socket
	// Connected reports whether the attempt to connect has ended, and its error, which is one of Dial. It
	// does not wait: the socket is ready to write when the attempt has ended. It may not be called
	// concurrently.
	Connected() (ended bool, err error)
}

// Lender is a Socket that another process can use.
type Lender interface {
	// Lend returns a descriptor of the socket, with which another process reads and writes it. The
	// caller closes the descriptor, and passes the bytes to Count. This process can then neither read nor
	// write the socket, but Close still ends the connection, whoever has a descriptor of it. After Close
	// the error is CodeUnavailable.
	Lend() (fd int, err error)
	// Transferred returns the numbers of bytes of a socket of TCP that its peer has acknowledged and that
	// were received from it, as the system has counted them since Lend or before, and reports whether it
	// has. A process that gets the descriptor may not count.
	Transferred() (sent, received int64, ok bool)
}

// MaxEgress is the number of destinations of a run that are counted singly. All others are one more
// destination, with the host [OtherHosts].
const MaxEgress = 32

// OtherHosts is the host of an [Egress] that sums up several. It is no name of a host.
const OtherHosts = "(others)"

// Egress is what a run has sent to one destination, and received from it.
type Egress struct {
	Network        string // "tcp" or "udp"; empty with OtherHosts
	Host           string // the name that was resolved, else the address
	Port           uint16 // 0 with OtherHosts
	Connections    int
	Sent, Received int64         // bytes
	Duration       time.Duration // sum of the times for which the connections were open
}
