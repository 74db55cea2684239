package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/runtime/netaddr"
	"github.com/faaspot/faaspot/storage/replog"
)

// Peer is a server of the cluster.
type Peer struct {
	Name    string
	Address string // HOST:PORT, at which the others reach it
}

// Options configure a server.
type Options struct {
	Name       string // one of Peers
	Peers      []Peer // all servers of the cluster, in any order
	Listen     string // HOST:PORT for clients; port 0 is any free port
	PeerListen string // HOST:PORT for other servers; empty: the own address in Peers
	Dir        string // folder of everything that is stored
	MaxStore   int64  // largest size of everything that is stored, in bytes; 0: 3/4 of the free disk
	// Key encrypts all connections, and restricts them to processes with the same key. The zero Key does
	// neither, and is refused unless all addresses are loopback addresses.
	Key   key.Key
	Grace time.Duration // that clients get to move to another server when this one stops
	Log   *slog.Logger
}

const (
	// clusterName is the same in all clusters: their addresses and keys keep them apart.
	clusterName = "fas"
	// headers bounds the size of what is sent with a record, in bytes.
	headers = 4 << 10
	// maxMemory is the largest size of streams in memory, of which a log has none. Zero would be a share
	// of the machine's.
	maxMemory = 1 << 20
	// pingPeers is the time between two pings of servers among each other; a server that does not
	// answer two of them is gone.
	pingPeers = 2 * time.Second
	// pingClients is that time for clients.
	pingClients = 20 * time.Second
)

// accounts separates clients from the system account, and lets them ask for one thing of it: the
// configuration of JetStream on all servers, which the driver checks.
const accounts = `
accounts {
  SYS { exports: [ { service: "$SYS.REQ.SERVER.PING.JSZ", response: stream, accounts: [ FAS ] } ] }
  FAS {
    jetstream: enabled
    users: [ { user: node } ]
    imports: [ { service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ" } } ]
  }
}
system_account: SYS
no_auth_user: node
`

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// Check returns what is wrong with the options.
func (o Options) Check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validName.MatchString(o.Name) {
		add("the name %q of the server is not valid: give letters, digits, _ and -, at most 63", o.Name)
	}
	if n := len(o.Peers); n%2 == 0 {
		add("a cluster of %d servers is not possible: give 1, 3 or 5, because 4 survive no more losses than 3", n)
	}
	names, addresses := map[string]bool{}, map[string]bool{}
	for _, p := range o.Peers {
		if !validName.MatchString(p.Name) {
			add("the name %q of a server is not valid: give letters, digits, _ and -, at most 63", p.Name)
		}
		if _, port, err := net.SplitHostPort(p.Address); err != nil || port == "" || port == "0" {
			add("the address %q of the server %s is not valid: give host and port", p.Address, p.Name)
		}
		if names[p.Name] || addresses[p.Address] {
			add("the server %s=%s is there twice", p.Name, p.Address)
		}
		// Without a key, any process that listens at the address could become a server of the log.
		if o.Key.IsZero() && len(o.Peers) > 1 && !netaddr.OnLoopback(p.Address) {
			add("the server %s=%s is on another machine: give the cluster a key, or loopback addresses", p.Name, p.Address)
		}
		names[p.Name], addresses[p.Address] = true, true
	}
	if !names[o.Name] {
		add("the name %s of the server is not among its peers", o.Name)
	}
	for _, address := range o.addresses() {
		_, port, err := net.SplitHostPort(address)
		switch {
		case err != nil || port == "":
			add("the address %q to listen at is not valid: give host and port", address)
		case o.Key.IsZero() && !netaddr.OnLoopback(address):
			add("other machines could reach %s without a key: give the cluster a key, or a loopback address", address)
		}
	}
	return errors.Join(errs...)
}

// peerListen returns the address to listen at for other servers.
func (o Options) peerListen() string {
	if o.PeerListen != "" {
		return o.PeerListen
	}
	for _, p := range o.Peers {
		if p.Name == o.Name {
			return p.Address
		}
	}
	return ""
}

// addresses returns the addresses at which the server listens.
func (o Options) addresses() []string {
	all := []string{o.Listen}
	if len(o.Peers) > 1 && o.peerListen() != "" {
		all = append(all, o.peerListen())
	}
	return all
}

// nats returns the options of the NATS server.
func (o Options) nats() (*natsserver.Options, error) {
	n := new(natsserver.Options)
	if err := n.ProcessConfigString(accounts); err != nil {
		return nil, fmt.Errorf("configure the accounts of the engine: %w", err)
	}
	var err error
	if n.Host, n.Port, err = hostPort(o.Listen); err != nil {
		return nil, err
	}
	n.ServerName = o.Name
	n.NoSigs = true
	n.NoLog = true // until it has ours
	n.DisableJetStreamBanner = true
	n.JetStream = true
	n.StoreDir = o.Dir
	n.SyncAlways = true // what is acknowledged is on disk
	n.JetStreamMaxMemory = maxMemory
	n.JetStreamMaxStore = o.MaxStore
	n.MaxPayload = replog.MaxRecord + headers
	n.PingInterval = pingClients
	n.MaxPingsOut = 2
	n.LameDuckGracePeriod = time.Second
	n.LameDuckDuration = max(o.Grace, 2*time.Second)
	if !o.Key.IsZero() {
		if n.TLSConfig, err = o.Key.TLS(); err != nil {
			return nil, err
		}
		n.TLS, n.TLSVerify, n.TLSTimeout = true, true, 5
	}
	if len(o.Peers) == 1 {
		return n, nil
	}
	n.Cluster = natsserver.ClusterOpts{Name: clusterName, ConnectRetries: -1, PingInterval: pingPeers, MaxPingsOut: 2, NoAdvertise: true}
	if n.Cluster.Host, n.Cluster.Port, err = hostPort(o.peerListen()); err != nil {
		return nil, err
	}
	if n.TLSConfig != nil {
		n.Cluster.TLSConfig, n.Cluster.TLSTimeout = n.TLSConfig.Clone(), n.TLSTimeout
	}
	for _, p := range o.Peers {
		n.Routes = append(n.Routes, &url.URL{Scheme: "nats", Host: p.Address})
	}
	return n, nil
}

// hostPort splits an address as NATS wants it.
func hostPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	if port, err = net.LookupPort("tcp", text); err != nil {
		return "", 0, fmt.Errorf("the port of %s: %w", strconv.Quote(address), err)
	}
	if port == 0 {
		port = natsserver.RANDOM_PORT
	}
	return host, port, nil
}
