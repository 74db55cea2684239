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
	const hint = "give --cluster-key-file, or a loopback address"
	if !netaddr.OnLoopback(o.NodeListen) {
		return clierror.Usagef(hint, "other machines could reach the --node-listen %s without a key", o.NodeListen)
	}
	if o.NodeAddress != "" && !netaddr.OnLoopback(o.NodeAddress) {
		return clierror.Usagef(hint, "other nodes would send requests to the --node-address %s without a key", o.NodeAddress)
	}
	for _, server := range options.Servers {
		if u, err := url.Parse(server); err != nil || !netaddr.OnLoopback(net.JoinHostPort(u.Hostname(), "0")) {
			return clierror.Usagef(hint, "all data would be sent to the server %s of the log without a key", server)
		}
	}
	return nil
}

// logOptions returns the options of the log of a cluster.
func (o *Options) logOptions() (n nats.Options, err error) {
	n = nats.Options{Cluster: o.ClusterName, Generation: logGeneration, Client: o.Node, Create: o.ClusterCreate}
	for _, address := range o.Cluster {
		if !strings.Contains(address, "://") {
			address = "nats://" + address
		}
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.User != nil {
			return n, clierror.Usagef("give the addresses of its servers, such as nats://10.0.0.1:4222, without users and passwords", "--cluster has something that is not the address of a server of the log")
		}
		n.Servers = append(n.Servers, address)
	}
	if o.ClusterKeyFile != "" {
		n.Key, err = key.Read(o.ClusterKeyFile)
	}
	return n, err
}
