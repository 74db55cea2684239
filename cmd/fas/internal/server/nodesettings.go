package server

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/runtime/netaddr"
	"github.com/faaspot/faaspot/storage/replog/nats"
)

var validNode = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// checkCluster returns what is wrong with the options of a node.
func (o *Options) checkCluster() error {
	var errs runtime.Errors
	given := map[string]bool{
		"cluster-name": o.ClusterName != "", "node": o.Node != "", "node-address": o.NodeAddress != "",
		"cluster-key-file": o.ClusterKeyFile != "", "cluster-create": o.ClusterCreate,
	}
	if len(o.Cluster) == 0 {
		for flag, is := range given {
			if is {
				errs.Add(flag, clierror.Usagef("add --cluster, or leave it out", "--%s has no effect without --cluster", flag))
			}
		}
		return errs.Err()
	}
	for _, flag := range []string{"cluster-name", "node"} {
		if !given[flag] {
			errs.Add(flag, clierror.Usagef("see docs/cluster.md", "--%s is missing", flag))
		}
	}
	if o.Node != "" && !validNode.MatchString(o.Node) {
		errs.Add("node", clierror.Usagef("give letters, digits, _ and -, at most 63", "the name %q of the node is not valid", o.Node))
	}
	errs.Add("node-listen", checkAddress(o.NodeListen))
	if o.NodeAddress != "" {
		errs.Add("node-address", checkAddress(o.NodeAddress))
	}
	if len(o.ACMEDomains) > 0 {
		errs.Add("acme-domain", clierror.Usagef("give --tls-cert and --tls-key, the same on all nodes", "--acme-domain cannot be used with --cluster"))
	}
	if o.Demo {
		errs.Add("demo", clierror.Usagef("leave it out", "--demo cannot be used with --cluster"))
	}
	if o.ResetAdminToken {
		errs.Add("reset-admin-token", clierror.Usagef("set "+environ.AdminTokenVar+" on all nodes, and restart them", "--reset-admin-token cannot be used with --cluster"))
	}
	if err := errs.Err(); err != nil {
		return err
	}
	options, err := o.logOptions()
	if err == nil {
		err = options.Check()
	}
	if err != nil {
		return err
	}
	if !options.Key.IsZero() {
		return nil
	}
	if !netaddr.OnLoopback(o.NodeListen) {
		return clierror.Usagef(keylessHint, "other machines could reach the --node-listen %s without a key", o.NodeListen)
	}
	if o.NodeAddress != "" && !netaddr.OnLoopback(o.NodeAddress) {
		return clierror.Usagef(keylessHint, "other nodes would send requests to the --node-address %s without a key", o.NodeAddress)
	}
	return checkServers(options)
}

// keylessHint says what to do about an address on another machine when there is no key.
const keylessHint = "give --cluster-key-file, or a loopback address"

// checkServers returns an error if data would be sent to other machines without a key.
func checkServers(o nats.Options) error {
	for _, server := range o.Servers {
		if u, err := url.Parse(server); o.Key.IsZero() && (err != nil || !netaddr.OnLoopback(net.JoinHostPort(u.Hostname(), "0"))) {
			return clierror.Usagef(keylessHint, "all data would be sent to the server %s of the log without a key", server)
		}
	}
	return nil
}

// logOptions returns the options of the log of a cluster.
func (o *Options) logOptions() (nats.Options, error) {
	n, err := logOptions(o.Cluster, o.ClusterName, o.ClusterKeyFile)
	n.Client, n.Create = o.Node, o.ClusterCreate
	return n, err
}

// logOptions returns the options of the first generation of the log of a cluster.
func logOptions(servers []string, name, keyFile string) (n nats.Options, err error) {
	n = nats.Options{Cluster: name, Generation: firstGeneration}
	for _, address := range servers {
		if !strings.Contains(address, "://") {
			address = "nats://" + address
		}
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.User != nil {
			return n, clierror.Usagef("give the addresses of its servers, such as nats://10.0.0.1:4222, without users and passwords", "--cluster has something that is not the address of a server of the log")
		}
		n.Servers = append(n.Servers, address)
	}
	if keyFile != "" {
		n.Key, err = key.Read(keyFile)
	}
	return n, err
}
