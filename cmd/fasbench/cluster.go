package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/test/freeport"
)

const (
	// clusterNodes is the number of nodes of a cluster, one of which owns the data.
	clusterNodes = 3
	// settledTime is how long a load may still use processors after its last response: records are applied
	// on the nodes that follow, and runs recorded.
	settledTime = 300 * time.Millisecond
	// wholeTime is how long a cluster may take until it is whole again.
	wholeTime = time.Minute
)

// logNames are the names of the servers of a log.
var logNames = []string{"a", "b", "c"}

// replicatedLog is the three servers of a log, each a process. The key of a cluster encrypts all connections, as it
// must between machines.
type replicatedLog struct {
	*lab
	keyFile string
	urls    []string
	args    map[string][]string // by name
	servers map[string]*process // by name
}

// startLog starts the servers of a log.
func (l *lab) startLog(ctx context.Context) (*replicatedLog, error) {
	dir, err := l.newFolder("log")
	if err != nil {
		return nil, err
	}
	r := &replicatedLog{lab: l, keyFile: filepath.Join(dir, "key"), args: map[string][]string{}, servers: map[string]*process{}}
	if err := os.WriteFile(r.keyFile, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		return nil, err
	}
	var peers []string
	for _, name := range logNames {
		address, err := freeport.Find()
		peer, perr := freeport.Find()
		if err := errors.Join(err, perr); err != nil {
			return nil, err
		}
		r.urls, peers = append(r.urls, address), append(peers, name+"="+peer)
	}
	for i, name := range logNames {
		r.args[name] = []string{
			"engine", "--name", name, "--listen", r.urls[i], "--peers", strings.Join(peers, ","), "--cluster-key-file", r.keyFile,
			"--data", filepath.Join(dir, name), "--max-store", "12GB", "--grace", "1s", "--log-level", "warn",
		}
		if err := r.startServer(ctx, name); err != nil {
			r.kill()
			return nil, err
		}
	}
	return r, nil
}

// startServer starts a server of the log, for the first time or again.
func (r *replicatedLog) startServer(ctx context.Context, name string) (err error) {
	p, err := r.start(ctx, "", nil, r.fas, r.args[name]...)
	if err == nil {
		r.servers[name] = p
	}
	return err
}

// processes returns the servers of the log.
func (r *replicatedLog) processes() (all []*process) {
	for _, p := range r.servers {
		all = append(all, p)
	}
	return all
}

// kill kills the servers of the log.
func (r *replicatedLog) kill() {
	for _, p := range r.servers {
		p.kill()
	}
}

// cluster is nodes with a log. The first node owns the data until it is lost or drained.
type cluster struct {
	*replicatedLog
	name, token, secrets string
	flags                []string
	data                 []string // folders, by node
	nodes                []*server
}

// startCluster starts the nodes of a cluster, with additional flags, and waits until they are ready.
func (r *replicatedLog) startCluster(ctx context.Context, name string, nodes int, flags ...string) (*cluster, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	c := &cluster{replicatedLog: r, name: name, token: rand.Text(), secrets: base64.StdEncoding.EncodeToString(secret), flags: flags}
	for i := range nodes {
		data, err := r.compiledData(ctx)
		if err == nil {
			c.data, c.nodes = append(c.data, data), append(c.nodes, nil)
			err = c.startNode(ctx, i)
		}
		if err != nil {
			c.kill()
			return nil, err
		}
	}
	return c, nil
}

// startWhole starts a log and a cluster of clusterNodes nodes.
func (l *lab) startWhole(ctx context.Context, flags ...string) (*cluster, error) {
	r, err := l.startLog(ctx)
	if err != nil {
		return nil, err
	}
	c, err := r.startCluster(ctx, "bench", clusterNodes, flags...)
	if err != nil {
		r.kill()
		return nil, err
	}
	return c, nil
}

// killWhole kills the nodes of a cluster and the servers of its log.
func (c *cluster) killWhole() {
	c.kill()
	c.replicatedLog.kill()
}

// kill kills the nodes of a cluster.
func (c *cluster) kill() {
	for _, s := range c.nodes {
		if s != nil {
			s.kill()
		}
	}
}

// nodeName returns the name of a node.
func nodeName(i int) string { return fmt.Sprintf("n%d", i) }

// which returns the flags that name the cluster.
func (c *cluster) which() []string {
	return []string{"--cluster", strings.Join(c.urls, ","), "--cluster-name", c.name, "--cluster-key-file", c.keyFile}
}

// startNode starts a node, for the first time or again, and waits until it is ready.
func (c *cluster) startNode(ctx context.Context, i int) error {
	flags := append(c.which(), "--node", nodeName(i), "--node-listen", "127.0.0.1:0")
	if i == 0 {
		flags = append(flags, "--cluster-create")
	}
	s, err := c.serveAs(ctx, c.data[i], c.token, []string{"FAASPOT_SECRETS_KEYS=" + c.secrets}, append(flags, c.flags...)...)
	if err != nil {
		return err
	}
	c.nodes[i] = s
	limited, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	ready := s.request(http.MethodGet, "/readyz", nil)
	return s.await(limited, func() error {
		_, err := s.succeed(ready)
		return err
	})
}

// drainFollowers drains all nodes but the first one, so that they only follow.
func (c *cluster) drainFollowers(ctx context.Context) error {
	errs := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i := 1; i < len(errs); i++ {
		all.Go(func() { errs[i] = c.command(ctx, nil, "drain", nodeName(i)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// command runs a command of `fas cluster`, and decodes its JSON into v, unless that is nil.
func (c *cluster) command(ctx context.Context, v any, name string, args ...string) error {
	text, err := output(ctx, "", c.fas, append(append([]string{"cluster", name, "--json"}, args...), c.which()...)...)
	if err != nil || v == nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// clusterState is what is read of the state of a cluster.
type clusterState struct {
	Nodes   []struct{ Node, Role string }
	Servers []struct {
		Name   string
		Leader bool
	}
}

// owner returns the number of the node that owns the data.
func (s clusterState) owner() (int, error) {
	for _, n := range s.Nodes {
		var i int
		if _, err := fmt.Sscanf(n.Node, "n%d", &i); n.Role == "owner" && err == nil && i < clusterNodes {
			return i, nil
		}
	}
	return 0, errors.New("no node owns the data")
}

// leader returns the name of the server that leads the stream of the log.
func (s clusterState) leader() (string, error) {
	for _, one := range s.Servers {
		if one.Leader {
			return one.Name, nil
		}
	}
	return "", errors.New("no server leads the log")
}

// whole waits until all nodes and all servers of the log are ready and have what the others have.
func (c *cluster) whole(ctx context.Context) (s clusterState, err error) {
	limited, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	for {
		s = clusterState{}
		if err = c.command(limited, &s, "status"); err == nil && len(s.Nodes) == len(c.nodes) {
			return s, nil
		}
		if limited.Err() != nil {
			return s, fmt.Errorf("the cluster is not whole: %w", errors.Join(context.Cause(limited), err))
		}
	}
}

// allProcesses returns the processes of the nodes and of the servers of the log.
func (c *cluster) allProcesses() []*process {
	all := c.processes()
	for _, s := range c.nodes {
		all = append(all, s.process)
	}
	return all
}

// clusterCost is the processor time that loads on the first node of a cluster have taken, and the number of their runs.
type clusterCost struct {
	owner, followers, log time.Duration
	runs                  int
}

// per returns a part of the cost per run.
func (c clusterCost) per(part time.Duration) time.Duration { return part / time.Duration(c.runs) }

// add adds the cost of a load on the first node. The load returns its number of runs.
func (c *clusterCost) add(of *cluster, load func() (runs int, err error)) error {
	var followers []*process
	for _, s := range of.nodes[1:] {
		followers = append(followers, s.process)
	}
	runs := 0
	used, err := spent(func() (err error) {
		runs, err = load()
		return err
	}, []*process{of.nodes[0].process}, followers, of.processes())
	if err != nil {
		return err
	}
	c.owner, c.followers, c.log, c.runs = c.owner+used[0], c.followers+used[1], c.log+used[2], c.runs+runs
	return nil
}

// spent returns the processor time that groups of processes use for a load, until settledTime after it.
func spent(load func() error, groups ...[]*process) ([]time.Duration, error) {
	before := make([]time.Duration, len(groups))
	used := make([]time.Duration, len(groups))
	var err error
	for i, g := range groups {
		if before[i], err = cpuTimeOf(g); err != nil {
			return nil, err
		}
	}
	if err := load(); err != nil {
		return nil, err
	}
	time.Sleep(settledTime)
	for i, g := range groups {
		after, err := cpuTimeOf(g)
		if err != nil {
			return nil, err
		}
		used[i] = after - before[i]
	}
	return used, nil
}
