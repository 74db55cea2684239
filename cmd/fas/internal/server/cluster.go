package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/replog/nats"
)

const (
	// hearTime is the time within which each node announces itself.
	hearTime = 2500 * time.Millisecond
	// lookTime bounds what a command waits for the servers of the log.
	lookTime = 10 * time.Second
	// nodeTime bounds what a command waits for the answer of a node.
	nodeTime = 2 * time.Second
	// handOverPause is the time between two questions whether a node has handed over.
	handOverPause = 20 * time.Millisecond
	// handOverTime bounds a hand-over, beside its grace.
	handOverTime = time.Minute
)

// ClusterOptions say which cluster a command is for.
type ClusterOptions struct {
	Servers []string // URLs of servers of the log
	Name    string
	KeyFile string // empty: no key
}

// options returns the options of the log, or what is wrong.
func (o ClusterOptions) options() (n nats.Options, err error) {
	if n, err = logOptions(o.Servers, o.Name, o.KeyFile); err == nil {
		err = n.Check()
	}
	if err == nil {
		err = checkServers(n)
	}
	n.Client, n.Log = "fas cluster", slog.New(slog.DiscardHandler)
	return n, err
}

// Check returns what is wrong with the options.
func (o ClusterOptions) Check() error {
	var errs runtime.Errors
	for flag, missing := range map[string]bool{"cluster": len(o.Servers) == 0, "cluster-name": o.Name == ""} {
		if missing {
			errs.Add(flag, clierror.Usagef("give it, or set its variable: see docs/cluster.md", "--%s is missing", flag))
		}
	}
	return errs.Err()
}

// dialer returns what connects to nodes.
func dialer(o nats.Options) (d mesh.Dialer, err error) {
	if !o.Key.IsZero() {
		d.TLS, err = o.Key.TLS()
	}
	return d, err
}

// ClusterState is what is known of a cluster. Names and meanings of the JSON fields stay.
type ClusterState struct {
	Name    string          `json:"name"`
	Nodes   []ClusterNode   `json:"nodes"`
	Servers []ClusterServer `json:"servers"` // of the log
	Log     *ClusterLog     `json:"log"`     // nil: it does not answer
	Former  []FormerLog     `json:"former"`  // logs of earlier generations, which no node uses
	Secrets *ClusterSecrets `json:"secrets"` // nil: no owner says it
	Problem string          `json:"problem,omitempty"`
}

// ClusterNode is a node of a cluster.
type ClusterNode struct {
	Node    string `json:"node"`
	Role    string `json:"role"` // owner, follower, copies (it gets a copy of the data), or starts
	Ready   bool   `json:"ready"`
	Drained bool   `json:"drained"`
	Answers bool   `json:"answers"` // false: it has announced itself, and does not answer
	Applied uint64 `json:"applied"`
	Lag     uint64 `json:"lag"` // records that it has not applied
	Address string `json:"address"`
	Version string `json:"version"`
	// SecretsKey is the name of the newest key of secrets that the node has.
	SecretsKey string `json:"secrets_key"`
	// Keyless says that the node lacks keys of secrets that are used: it runs nothing, and cannot become the owner. It is false for
	// a node that has not read all of the log: what it reads may say that it has them.
	Keyless  bool `json:"keyless"`
	released uint64
}

// ClusterSecrets is the state of the secrets, as the owner says it.
type ClusterSecrets struct {
	Key string `json:"key"` // the name of the newest key of the owner
	// State is current (that key has encrypted all secrets), waiting (it is not used yet: not all nodes have it) or encrypting
	// (it is used, and other keys have encrypted some secrets).
	State string `json:"state"`
}

// ClusterServer is a server of the log.
type ClusterServer struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	Leader  bool   `json:"leader"`
	Current bool   `json:"current"` // it has what the leader has
	Lag     uint64 `json:"lag"`
}

// ClusterLog is the state of the log.
type ClusterLog struct {
	Generation uint64 `json:"generation"`
	First      uint64 `json:"first"`
	Last       uint64 `json:"last"`
	Bytes      int64  `json:"bytes"`
	MaxBytes   int64  `json:"max_bytes"`
}

// FormerLog is the log of an earlier generation. Names and meanings of the JSON fields stay.
type FormerLog struct {
	Generation uint64 `json:"generation"`
	Bytes      int64  `json:"bytes"`
	MaxBytes   int64  `json:"max_bytes"` // that its servers reserve; 0: they do not answer
}

// Filled returns how full the log is, from 0 to 1.
func (l *ClusterLog) Filled() float64 {
	if l.MaxBytes <= 0 {
		return 0
	}
	return float64(l.Bytes) / float64(l.MaxBytes)
}

// LookAtCluster returns what the nodes and the servers of the log say. Problem says what is wrong with the cluster.
func LookAtCluster(ctx context.Context, o ClusterOptions) (s ClusterState, err error) {
	options, err := o.options()
	if err != nil {
		return s, err
	}
	d, err := dialer(options)
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var both sync.WaitGroup
	var nodes []cluster.Status
	var state nats.State
	var heard, looked error
	both.Go(func() { nodes, heard = hear(ctx, options) })
	both.Go(func() { state, looked = nats.Look(ctx, options) })
	both.Wait()
	if heard != nil {
		return s, runtime.Errorf(runtime.CodeUnavailable, "cannot reach the servers of the log: %v", heard).WithHint("check --cluster and the key, and start the servers")
	}
	s = ClusterState{Name: o.Name, Nodes: []ClusterNode{}, Servers: []ClusterServer{}, Former: formerLogs(state.Former)}
	for _, one := range state.Servers {
		s.Servers = append(s.Servers, ClusterServer(one))
	}
	if looked == nil && state.Generation > 0 {
		s.Log = &ClusterLog{state.Generation, state.First, state.Last, state.Bytes, state.MaxBytes}
	}
	for i, one := range ask(ctx, d, nodes) {
		node := describe(one, s.Log)
		node.Answers = one.Node != ""
		if !node.Answers {
			node = describe(nodes[i], s.Log)
			node.Ready = false
		}
		s.Nodes = append(s.Nodes, node)
		if one.Owns && one.Ready && one.Secrets != "" {
			s.Secrets = &ClusterSecrets{one.SecretsKey, one.Secrets}
		}
	}
	s.Problem = s.problem(looked)
	return s, nil
}

func formerLogs(from []nats.Former) []FormerLog {
	all := make([]FormerLog, len(from))
	for i, one := range from {
		all[i] = FormerLog(one)
	}
	return all
}

// present returns the nodes that run, and the latest generation of the log, 0 if there is none.
func present(ctx context.Context, options nats.Options) (nodes []cluster.Status, latest uint64, err error) {
	if nodes, err = hear(ctx, options); err == nil {
		latest, err = nats.Latest(ctx, options)
	}
	if err != nil {
		return nil, 0, runtime.Errorf(runtime.CodeUnavailable, "cannot use the servers of the log: %v", err).WithHint("check --cluster and the key; two of three servers must run")
	}
	return nodes, latest, nil
}

// RemoveFormerLogs removes the logs of earlier generations, which it returns. It refuses that unless the present one is in
// use, and no other.
func RemoveFormerLogs(ctx context.Context, o ClusterOptions) (removed []FormerLog, err error) {
	options, err := o.options()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	nodes, latest, err := present(ctx, options)
	if err != nil {
		return nil, err
	}
	for _, one := range nodes {
		if one.Generation != latest {
			return nil, runtime.Errorf(runtime.CodeConflict, "the node %s uses the log of generation %d, and the latest one is %d", one.Node, one.Generation, latest).
				WithHint("start it again, so that it uses the latest one")
		}
	}
	if ownerOf(nodes) == "" {
		return nil, runtime.Errorf(runtime.CodeConflict, "no node answers requests as the owner of the data, so that it is not known whether the logs before are needed").
			WithHint("start the nodes; see `fas cluster status`")
	}
	former, err := nats.RemoveFormer(ctx, options, latest)
	if err != nil {
		err = runtime.Errorf(runtime.CodeUnavailable, "not all logs of earlier generations are removed: %v", err).WithHint("repeat the command")
	}
	return formerLogs(former), err
}

// hear returns the nodes that announce themselves.
func hear(ctx context.Context, o nats.Options) ([]cluster.Status, error) {
	bus, err := nats.OpenBus(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bus.Close() }()
	hearing, cancel := context.WithTimeout(ctx, hearTime)
	defer cancel()
	return cluster.Hear(hearing, bus, o.Log)
}

// ask asks nodes for their status. What does not answer has no name.
func ask(ctx context.Context, d mesh.Dialer, nodes []cluster.Status) []cluster.Status {
	answers := make([]cluster.Status, len(nodes))
	var all sync.WaitGroup
	for i, one := range nodes {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, nodeTime)
			defer cancel()
			if s, err := d.Ask(ctx, one.Address); err == nil && s.Node == one.Node {
				answers[i] = s
			}
		})
	}
	all.Wait()
	return answers
}

// describe returns what a node says. log is nil if that does not answer.
func describe(s cluster.Status, log *ClusterLog) ClusterNode {
	n := ClusterNode{Node: s.Node, Role: "follower", Ready: s.Ready, Drained: s.Drained, Applied: s.Applied, Address: s.Address, Version: s.Version, SecretsKey: s.SecretsKey, released: s.Released}
	if log != nil && s.Applied < log.Last {
		n.Lag = log.Last - s.Applied
	}
	switch {
	case s.Owns:
		n.Role = "owner"
	case s.Copies > 0:
		n.Role = "copies"
	case s.Applied == 0:
		n.Role = "starts"
	}
	n.Keyless = s.Keyless && n.Lag == 0 && n.Role != "copies"
	return n
}

// problem returns what is wrong with a cluster, empty if nothing is.
func (s *ClusterState) problem(looked error) string {
	switch {
	case looked != nil:
		return fmt.Sprintf("the log does not answer: %v", looked)
	case s.Log == nil:
		return "there is no log: create the cluster"
	case !slices.ContainsFunc(s.Nodes, func(n ClusterNode) bool { return n.Role == "owner" && n.Ready }):
		return "no node answers requests as the owner of the data"
	case s.Log.Filled() >= cluster.FullPart:
		return "the log is nearly full: see the log of the owner for the node that holds it"
	}
	for _, one := range s.Servers {
		if !one.Running || !one.Current {
			return "the server " + one.Name + " of the log does not have what the others have"
		}
	}
	for _, one := range s.Nodes {
		if one.Keyless {
			return "the node " + one.Node + " does not have the keys of secrets that are used: copy the file from another node, and reload it"
		}
		if !one.Answers || !one.Ready {
			return "the node " + one.Node + " is not ready"
		}
	}
	if len(s.Nodes) < 2 {
		return "there is one node alone: nothing replaces it"
	}
	return ""
}

// HandOver is the result of [Drain]. Names and meanings of the JSON fields stay.
type HandOver struct {
	Node    string  `json:"node"`
	Drained bool    `json:"drained"`
	Owner   string  `json:"owner"`             // of the data now; empty: it is not known
	Seconds float64 `json:"seconds,omitempty"` // until the new owner answered requests; 0: the node was not the owner
}

// Drain makes a node give up the data to another node, empty: the best, or takes that back. It returns when the other one
// answers requests.
func Drain(ctx context.Context, o ClusterOptions, node, to string, grace time.Duration, undo bool) (h HandOver, err error) {
	options, err := o.options()
	if err != nil {
		return h, err
	}
	d, err := dialer(options)
	if err != nil {
		return h, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime+grace+handOverTime)
	defer cancel()
	nodes, err := hear(ctx, options)
	if err != nil {
		return h, runtime.Errorf(runtime.CodeUnavailable, "cannot reach the servers of the log: %v", err).WithHint("check --cluster and the key")
	}
	i := slices.IndexFunc(nodes, func(s cluster.Status) bool { return s.Node == node })
	if i < 0 {
		return h, runtime.Errorf(runtime.CodeNotFound, "no node %q runs in the cluster %s", node, o.Name).WithHint("see `fas cluster status`")
	}
	h = HandOver{Node: node, Drained: !undo, Owner: ownerOf(nodes)}
	if undo {
		return h, d.Undrain(ctx, nodes[i].Address)
	}
	address, owns := nodes[i].Address, nodes[i].Owns                                                   // it may be an owner that is not ready
	nodes = slices.DeleteFunc(ask(ctx, d, nodes), func(s cluster.Status) bool { return s.Node == "" }) // they would be waited for
	began := time.Now()
	err = d.Drain(ctx, address, to, grace)
	if refused, ok := errors.AsType[*cluster.Refusal](err); ok {
		return h, runtime.Errorf(runtime.CodeConflict, "%s", refused.Message).WithHint(refused.Hint + ": `fas cluster status`")
	}
	if err != nil || !owns {
		return h, err
	}
	for {
		if owner := ownerOf(ask(ctx, d, nodes)); owner != "" && owner != node {
			h.Owner, h.Seconds = owner, time.Since(began).Seconds()
			return h, nil
		}
		if !pause(ctx, handOverPause) {
			return h, runtime.Errorf(runtime.CodeUnavailable, "the node %q gives up the data, and no other node has become the owner yet", node).
				WithHint("see `fas cluster status`, and the logs of the nodes")
		}
	}
}

// pause waits for a while, and returns false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// ownerOf returns the name of the node that answers requests as the owner, empty if there is none.
func ownerOf(nodes []cluster.Status) string {
	for _, one := range nodes {
		if one.Owns && one.Ready {
			return one.Node
		}
	}
	return ""
}

// Founding is the result of [FoundCluster]. Names and meanings of the JSON fields stay.
type Founding struct {
	Name       string `json:"name"`
	Generation uint64 `json:"generation"`
	Data       string `json:"data,omitempty"` // folder of the first node; empty: it is new
	After      uint64 `json:"after"`          // sequence behind which the log begins
}

// FoundCluster makes the log of a cluster. With a data folder, which no server may use, that becomes the data of the first
// node. If heal, the folder is that of a node of the cluster, whose log is damaged or lost: it begins the next
// generation, and the one before takes no records any more. Unless lose, that is refused if it is known to lose records.
// FoundCluster can be repeated.
func FoundCluster(ctx context.Context, o ClusterOptions, files Secrets, heal, lose bool) (f Founding, err error) {
	options, err := o.options()
	if err != nil {
		return f, err
	}
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	nodes, latest, err := present(ctx, options)
	switch {
	case err != nil:
		return f, err
	case len(nodes) > 0:
		return f, runtime.Errorf(runtime.CodeConflict, "nodes of the cluster run, such as %s", nodes[0].Node).WithHint("stop all nodes first")
	}
	f.Name, f.Data = o.Name, files.Data
	if files.Data == "" {
		f.Generation = firstGeneration
		if latest > 0 {
			options.Generation = latest
			if g, err := nats.Find(ctx, options); err != nil || g == nil || latest != firstGeneration || !g.Empty() || g.Origin != "" {
				return f, errors.Join(hasLogError(o.Name), err)
			}
		}
		return f, makeLog(ctx, options)
	}
	store, err := files.closedStore()
	if err != nil {
		return f, err
	}
	c := founder{options: options, store: store, data: files.Data, latest: latest, heal: heal, lose: lose}
	at, err := c.found(ctx)
	f.Generation, f.After = at.Generation, at.Seq
	return f, err
}

// makeLog makes the log that the options name, unless it is there.
func makeLog(ctx context.Context, o nats.Options) error {
	o.Create = true
	l, err := nats.Open(ctx, o)
	if err != nil {
		return runtime.Errorf(runtime.CodeUnavailable, "cannot make the log of the cluster: %v", err).WithHint("repeat the command when that is solved; the data are as before")
	}
	return l.Close()
}

func hasLogError(name string) error {
	return runtime.Errorf(runtime.CodeAlreadyExists, "the cluster %s has a log already", name).WithHint("start its nodes, or choose another name")
}

// NodePlace is how much of the log the data folder of a node has. Names and meanings of the JSON fields stay.
type NodePlace struct {
	Data       string `json:"data"`
	Generation uint64 `json:"generation"`
	Epoch      uint64 `json:"epoch"`
	Applied    uint64 `json:"applied"`
}

// PlaceOfNode returns how much of the log the data folder of a node has, which no server may use.
func PlaceOfNode(files Secrets) (p NodePlace, err error) {
	o, err := files.closedStore()
	if err != nil {
		return p, err
	}
	place, err := storage.PlaceOf(o.Dir)
	if err == nil && place == nil {
		err = clierror.Usagef("name the data folder of a node", "the data in %s are those of a server alone", files.Data)
	}
	if err != nil {
		return p, err
	}
	return NodePlace{Data: files.Data, Generation: place.Generation, Epoch: place.Epoch, Applied: place.Seq}, nil
}
