//go:build linux

package clusters

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Network is a bridge, to which hosts are connected. The test reaches them all.
type Network struct {
	id     string
	subnet string // of a /24, without the last number
	hosts  []*Host
}

// Host is a network namespace in which one process runs.
type Host struct {
	Name string // engine-a, node-a and so on
	IP   string

	network   *Network
	namespace string
	port      string // of the bridge
}

// NewNetwork makes a network without hosts. The test is skipped if this process may not do so.
func NewNetwork(t *testing.T) *Network {
	t.Helper()
	n, err := newNetwork()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, h := range n.hosts {
			n.must(t, "netns", "delete", h.namespace)
		}
		n.must(t, "link", "delete", n.bridge())
	})
	return n
}

func newNetwork() (*Network, error) {
	if _, err := exec.LookPath("nsenter"); err != nil {
		return nil, err
	}
	removeNetworksOfTheDead()
	// Addresses of RFC 2544, which are for tests of networks.
	third := rand.IntN(256)
	n := &Network{id: fmt.Sprintf("fas%d", os.Getpid()), subnet: fmt.Sprintf("198.18.%d.", third)}
	if here, err := net.InterfaceAddrs(); err != nil || strings.Contains(fmt.Sprint(here), n.subnet) {
		return nil, errors.Join(fmt.Errorf("the network %s0/24 is in use", n.subnet), err)
	}
	if err := ip("link", "add", n.bridge(), "type", "bridge"); err != nil {
		return nil, err
	}
	return n, errors.Join(ip("addr", "add", n.subnet+"254/24", "dev", n.bridge()), ip("link", "set", n.bridge(), "up"))
}

// networkName matches the names of namespaces and bridges, with the id of the process that made them.
var networkName = regexp.MustCompile(`^fas([0-9]+)(n[0-9]+|br)$`)

// removeNetworksOfTheDead removes the namespaces and bridges of test processes that have ended without doing so.
// Other test processes may do the same at the same time, so nothing is an error.
func removeNetworksOfTheDead() {
	names, _ := filepath.Glob("/run/netns/fas*")
	links, _ := net.Interfaces()
	for _, l := range links {
		names = append(names, l.Name)
	}
	for _, name := range names {
		name = filepath.Base(name)
		m := networkName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		pid, err := strconv.Atoi(m[1])
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if m[2] == "br" {
			_ = ip("link", "delete", name)
		} else {
			_ = ip("netns", "delete", name)
		}
	}
}

func (n *Network) bridge() string { return n.id + "br" }

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (n *Network) must(t *testing.T, args ...string) {
	t.Helper()
	if err := ip(args...); err != nil {
		t.Error(err)
	}
}

// host connects another host. Without a network there is none: processes run where the test runs.
func (n *Network) host(t *testing.T, name string) *Host {
	t.Helper()
	if n == nil {
		return nil
	}
	i := len(n.hosts) + 1
	h := &Host{Name: name, IP: fmt.Sprint(n.subnet, i), network: n, namespace: fmt.Sprintf("%sn%d", n.id, i), port: fmt.Sprintf("%sp%d", n.id, i)}
	if err := ip("netns", "add", h.namespace); err != nil {
		t.Fatal(err)
	}
	n.hosts = append(n.hosts, h)
	n.must(t, "link", "add", h.port, "type", "veth", "peer", "name", "eth0", "netns", h.namespace)
	n.must(t, "link", "set", h.port, "master", n.bridge(), "up")
	n.must(t, "-n", h.namespace, "addr", "add", h.IP+"/24", "dev", "eth0")
	n.must(t, "-n", h.namespace, "link", "set", "lo", "up")
	n.must(t, "-n", h.namespace, "link", "set", "eth0", "up")
	return h
}

// enter returns the beginning of a command that runs on the host.
func (h *Host) enter() []string {
	if h == nil {
		return nil
	}
	return []string{"nsenter", "--net=/run/netns/" + h.namespace}
}

func (h *Host) nodeFlags() []string {
	if h == nil {
		return nil
	}
	return []string{"--listen", h.IP + ":8080", "--node-listen", h.IP + ":8788"}
}

// Host returns the host with a name.
func (n *Network) Host(name string) *Host {
	for _, h := range n.hosts {
		if h.Name == name {
			return h
		}
	}
	panic("no host " + name)
}

// Cut loses all that two hosts send each other: each believes that the other one has an address of the link that
// nobody has.
func (h *Host) Cut(t *testing.T, other *Host) {
	t.Helper()
	for a, b := range map[*Host]*Host{h: other, other: h} {
		h.network.must(t, "-n", a.namespace, "neighbour", "replace", b.IP, "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")
	}
}

// Join ends what Cut began.
func (h *Host) Join(t *testing.T, other *Host) {
	t.Helper()
	for a, b := range map[*Host]*Host{h: other, other: h} {
		h.network.must(t, "-n", a.namespace, "neighbour", "delete", b.IP, "dev", "eth0")
	}
}

// Isolate disconnects the host from all others, and from the test.
func (h *Host) Isolate(t *testing.T) {
	t.Helper()
	h.network.must(t, "link", "set", h.port, "down")
}

// Connect ends what Isolate began.
func (h *Host) Connect(t *testing.T) {
	t.Helper()
	h.network.must(t, "link", "set", h.port, "up")
}
