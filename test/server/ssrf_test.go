//go:build linux

package server

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// internalHosts returns hosts that lead to this machine or the networks around it, in the forms in which
// systems write them.
func internalHosts(t *testing.T) []string {
	t.Helper()
	hosts := []string{
		"127.0.0.1", "127.1", "127.255.255.254", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001", "127.0.1", "0", "0.0.0.0",
		"::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "0:0:0:0:0:0:0:1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "fe80::1", "fd00:ec2::254",
		"169.254.169.254", "100.100.100.200", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "224.0.0.1", "255.255.255.255",
		"localhost", "localhost.", "LOCALHOST", "ip6-localhost", "metadata.google.internal",
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			hosts = append(hosts, n.IP.String())
		}
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// everywhere starts a server on all addresses of this machine that counts what reaches it.
func everywhere(t *testing.T) (port int, reached *atomic.Int32) {
	t.Helper()
	reached = new(atomic.Int32)
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			reached.Add(1)
		}
	}
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return l.Addr().(*net.TCPAddr).Port, reached
}

// reachCode tries hosts in all ways to connect that the standard library has, and returns the hosts that
// it has reached.
const reachCode = `import asyncio, socket, urllib.request

def by_library(host, port):
    urllib.request.urlopen("http://%s:%d/" % ("[%s]" % host if ":" in host else host, port), timeout=5).close()

def by_name(host, port):
    socket.create_connection((host, port), 5).close()

def by_address(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.connect((host, port))

def by_loop(host, port):
    async def connect():
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
    asyncio.run(asyncio.wait_for(connect(), 5))

def main(args, context):
    reached = []
    for host in args["hosts"]:
        for way in (by_library, by_name, by_address, by_loop):
            try:
                way(host, args["port"])
                reached.append("%s %s" % (way.__name__, host))
            except (OSError, ValueError, UnicodeError, asyncio.TimeoutError):
                pass
    return reached
`

// deployReach deploys reachCode with an allow list that has everything.
func deployReach(t *testing.T, server *process.Server, hosts []string, port int) {
	t.Helper()
	allow := []string{fmt.Sprintf("0.0.0.0/0:%d", port), fmt.Sprintf("[::/0]:%d", port)}
	for _, host := range hosts {
		if strings.ContainsAny(host, "ghijklmnopqrstuvwyz") && !strings.ContainsAny(host, ":.") {
			allow = append(allow, fmt.Sprintf("%s:%d", host, port))
		}
	}
	server.Deploy(t, "reach", reachCode, "allow", append(allow, fmt.Sprintf("metadata.google.internal:%d", port)), "timeout", 120)
}

// reach runs the function, and returns what it has reached.
func reach(t *testing.T, server *process.Server, hosts []string, port int) []string {
	t.Helper()
	args, err := json.Marshal(map[string]any{"hosts": hosts, "port": port})
	if err != nil {
		t.Fatal(err)
	}
	return process.Decode[[]string](t, server.Must(t, "POST", fmt.Sprintf(runPath, "reach"), string(args)))
}

// notify runs one job for each host whose callback goes there, and returns the errors of the callbacks
// that were not delivered, by their hosts.
func notify(t *testing.T, server *process.Server, hosts []string, port int) map[string]string {
	t.Helper()
	of := map[string]string{}
	for i, host := range hosts {
		name := fmt.Sprintf("job-%d", i)
		url := "http://" + net.JoinHostPort(host, fmt.Sprint(port)) + "/hook"
		of[url] = host
		server.Must(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"function":"echo","triggers":[{"type":"http-async","configuration":{"path":"go","callbackUrl":%q,"retry":0,"tasks":[{"n":1}]}}]}}`, name, url))
		server.Must(t, "POST", "/v0/jobs/"+name+"/triggers/go", "")
	}
	failed := map[string]string{}
	process.Until(t, "all callbacks are delivered or dead letters", func() bool {
		for _, letter := range process.Decode[[]struct {
			URL   string
			Error string `json:"last_error"`
		}](t, server.Must(t, "GET", "/v1/dlq/?limit=1000", "")) {
			failed[of[letter.URL]] = letter.Error
		}
		return len(failed) == len(hosts)
	})
	return failed
}

// Neither a function, however it connects, nor a callback reaches this machine or the networks around it,
// in whatever form it writes the address, and other runs go on.
func TestNothingReachesInternalHosts(t *testing.T) {
	t.Parallel()
	port, reached := everywhere(t)
	hosts := internalHosts(t)
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	deployReach(t, server, hosts, port)
	if got := reach(t, server, hosts, port); len(got) > 0 {
		t.Errorf("a function has reached %q", got)
	}
	if r := server.Must(t, "POST", fmt.Sprintf(runPath, "echo"), `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
		t.Errorf("another run: %s", r.Body)
	}
	for host, why := range notify(t, server, hosts, port) {
		if why == "" || strings.Contains(why, fmt.Sprint(port)) || strings.Contains(why, "refused") {
			t.Errorf("the callback to %s says %q", host, why)
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d connections have arrived", n)
	}
}

// What the operator allows is reached, so that the test above would notice it.
func TestWhatTheOperatorAllowsIsReached(t *testing.T) {
	t.Parallel()
	port, reached := everywhere(t)
	server := process.NewSite(t, "--egress-allow", "127.0.0.1").Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	hosts := []string{"127.0.0.1", "::1", "127.0.0.2"}
	deployReach(t, server, hosts, port)
	if got := reach(t, server, hosts, port); strings.Join(got, ",") != "by_library 127.0.0.1,by_name 127.0.0.1,by_address 127.0.0.1,by_loop 127.0.0.1" {
		t.Errorf("a function has reached %q", got)
	}
	process.Until(t, "all connections of the function arrive", func() bool { return reached.Load() == 4 })
	notify(t, server, hosts[1:], port)
	if n := reached.Load(); n != 4 {
		t.Errorf("a callback has arrived that the operator does not allow: %d", n)
	}
	server.Must(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":"good"},"spec":{"function":"echo","triggers":[{"type":"http-async","configuration":{"path":"go","callbackUrl":"http://127.0.0.1:%d/","retry":0,"tasks":[{"n":1}]}}]}}`, port))
	server.Must(t, "POST", "/v0/jobs/good/triggers/go", "")
	process.Until(t, "the callback arrives", func() bool { return reached.Load() == 5 })
}
