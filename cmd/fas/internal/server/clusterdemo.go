package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// demoRuns is the number of runs of the demo of a cluster, and demoKill the number of those that have ended when the
	// owner is killed.
	demoRuns = 2000
	demoKill = demoRuns / 5
	// demoStart bounds the start of a process of the demo, and demoStop its end. The first node compiles the interpreter.
	demoStart = 3 * time.Minute
	demoStop  = 10 * time.Second
	// demoPause is the time between two questions to a process.
	demoPause = 50 * time.Millisecond

	demoClusterName = "demo"
	squareCode      = `import time

def main(args, context):
    time.sleep(0.05)
    return args["n"] ** 2
`
)

// ClusterDemoOptions configure the demo of a cluster.
type ClusterDemoOptions struct {
	Dir     string // folder for everything, which is empty
	Cache   string // folder of a guest that was compiled before, if it exists
	Program string // path of this program
	Environ environ.Environment
	Version string
	Say     func(format string, args ...any) // is called with what happens
	Trace   func(client.TraceLevel, string)
}

// ClusterDemoResult is what the demo has shown. Names and meanings of the JSON fields stay.
type ClusterDemoResult struct {
	Runs     int     `json:"runs"`     // that were accepted
	Ended    int     `json:"ended"`    // of those
	Wrong    int     `json:"wrong"`    // results that are not right
	Killed   string  `json:"killed"`   // node that was killed
	Takeover float64 `json:"takeover"` // seconds after that until requests were answered again
}

// ClusterDemo is a cluster on this machine. Stop must be called.
type ClusterDemo struct {
	ClusterDemoOptions
	Token     string
	URLs      map[string]string // of the nodes, by name
	Cluster   ClusterOptions
	env       []string
	processes map[string]*exec.Cmd
	exited    map[string]chan struct{}
}

// StartClusterDemo starts three servers of a log and three nodes.
func StartClusterDemo(ctx context.Context, o ClusterDemoOptions) (d *ClusterDemo, err error) {
	d = &ClusterDemo{ClusterDemoOptions: o, URLs: map[string]string{}, processes: map[string]*exec.Cmd{}, exited: map[string]chan struct{}{}}
	defer func() {
		if err != nil {
			d.Stop()
			d = nil
		}
	}()
	keyFile := filepath.Join(o.Dir, "cluster.key")
	if err := os.WriteFile(keyFile, []byte(random()+"\n"), 0o600); err != nil {
		return d, err
	}
	ports, err := freePorts(6)
	if err != nil {
		return d, err
	}
	var peers []string
	d.Cluster = ClusterOptions{Name: demoClusterName, KeyFile: keyFile}
	for i, name := range demoNames {
		d.Cluster.Servers = append(d.Cluster.Servers, ports[i])
		peers = append(peers, name+"="+ports[3+i])
	}
	d.Token = random()
	d.env = d.environment(keyFile)
	for i, name := range demoNames {
		err := d.start("engine-"+name, "engine", "--name", name, "--listen", ports[i], "--peers", strings.Join(peers, ","),
			"--data", filepath.Join(o.Dir, "engine-"+name), "--max-store", "8GB", "--grace", "2s")
		if err != nil {
			return d, err
		}
	}
	cache := o.Cache
	for _, name := range demoNames {
		data := filepath.Join(o.Dir, "node-"+name)
		if err := linkAll(cache, filepath.Join(data, "cache")); err != nil {
			return d, fmt.Errorf("copy the compiled interpreter: %w", err)
		}
		flags := []string{"serve", "--node", name, "--listen", "127.0.0.1:0", "--node-listen", "127.0.0.1:0", "--data", data, "--address-file", d.address(name), "--grace", "2s"}
		if name == demoNames[0] {
			flags = append(flags, "--cluster-create")
		}
		if err := d.start("node-"+name, flags...); err != nil {
			return d, err
		}
		if err := d.ready(ctx, name); err != nil {
			return d, err
		}
		cache = filepath.Join(data, "cache")
	}
	return d, nil
}

var demoNames = []string{"a", "b", "c"}

// random returns 32 random bytes as hexadecimal digits.
func random() string {
	secret := make([]byte, 32)
	rand.Read(secret)
	return hex.EncodeToString(secret)
}

// freePorts returns loopback addresses at which nothing listens.
func freePorts(n int) (all []string, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = ln.Close() }() // when all are known
		all = append(all, ln.Addr().String())
	}
	return all, nil
}

// environment returns the environment of the processes: that of this one, without its settings of faaspot.
func (d *ClusterDemo) environment(keyFile string) (env []string) {
	for name, value := range d.Environ {
		if !strings.HasPrefix(name, "FAASPOT_") && name != "NOTIFY_SOCKET" {
			env = append(env, name+"="+value)
		}
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	return append(env, environ.DirVar+"="+d.Dir, environ.AdminTokenVar+"="+d.Token, environ.SecretsVar+"="+base64.StdEncoding.EncodeToString(secret),
		"FAASPOT_CLUSTER="+strings.Join(d.Cluster.Servers, ","), "FAASPOT_CLUSTER_NAME="+demoClusterName, "FAASPOT_CLUSTER_KEY_FILE="+keyFile)
}

// linkAll gives the files of a folder second names in another one, or copies them. A folder that does not exist has none.
func linkAll(from, to string) error {
	if _, err := os.Stat(from); from == "" || errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(to, dataMode)
	}
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, dataMode)
		case !e.Type().IsRegular() || os.Link(path, target) == nil:
			return nil
		}
		content, err := os.Open(path)
		if err != nil {
			return err
		}
		defer content.Close()
		return writeFile(target, content)
	})
}

func (d *ClusterDemo) address(node string) string { return filepath.Join(d.Dir, "address-"+node) }

// start starts a process, whose log is a file.
func (d *ClusterDemo) start(name string, args ...string) error {
	log, err := os.Create(filepath.Join(d.Dir, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.Program, args...)
	cmd.Env, cmd.Stderr = d.env, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	d.processes[name], d.exited[name] = cmd, exited
	go func() {
		_ = cmd.Wait() // the log says why it has ended
		close(exited)
	}()
	return nil
}

// ready waits until a node answers requests, and notes its URL.
func (d *ClusterDemo) ready(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, demoStart)
	defer cancel()
	for {
		if text, err := os.ReadFile(d.address(node)); err == nil {
			d.URLs[node] = "http://" + strings.TrimSpace(string(text))
			if d.answers(ctx, node) == nil {
				return nil
			}
		}
		select {
		case <-time.After(demoPause):
		case <-d.exited["node-"+node]:
			return d.failed("the node " + node + " has ended")
		case <-ctx.Done():
			return d.failed("the node " + node + " does not answer")
		}
	}
}

// failed returns the error of a process.
func (d *ClusterDemo) failed(what string) error {
	return runtime.Errorf(runtime.CodeUnavailable, "%s", what).WithHint("see the logs in " + d.Dir)
}

// client returns a client of a node.
func (d *ClusterDemo) client(node string) (*client.Client, error) {
	return client.New(client.Options{URL: d.URLs[node], Token: d.Token, UserAgent: "fas-demo/" + d.Version, Trace: d.Trace})
}

// answers asks a node, or the owner behind it.
func (d *ClusterDemo) answers(ctx context.Context, node string) error {
	c, err := d.client(node)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.CheckToken(ctx)
}

// Show runs functions, kills the node that owns the data meanwhile, and compares what was accepted with what has ended.
func (d *ClusterDemo) Show(ctx context.Context) (r ClusterDemoResult, err error) {
	owner, other, err := d.roles(ctx)
	if err != nil {
		return r, err
	}
	c, err := d.client(other)
	if err != nil {
		return r, err
	}
	defer c.Close()
	if _, err := c.Create(ctx, client.CreateRequest{Name: "square", Code: squareCode}); err != nil {
		return r, err
	}
	args := make([][]byte, demoRuns)
	for n := range args {
		args[n] = fmt.Appendf(nil, `{"n":%d}`, n)
	}
	ids, err := c.SubmitBulk(ctx, "square", args, client.RunOptions{})
	if err != nil {
		return r, err
	}
	r.Runs, r.Killed = len(ids), owner
	d.Say("%d runs were accepted by the node %s, which leads requests to %s", r.Runs, other, owner)
	number := make(map[string]int, len(ids))
	for n, id := range ids {
		number[id] = n
	}
	took := make(chan time.Duration, 1)
	err = c.WaitAll(ctx, ids, func(x client.Execution) {
		r.Ended++
		if n, ok := number[x.ID]; !ok || !bytes.Equal(bytes.TrimSpace(x.Output), fmt.Append(nil, n*n)) {
			r.Wrong++
		}
		delete(number, x.ID)
		if r.Ended == demoKill {
			d.Say("%d runs have ended: killing the node %s, which owns the data", r.Ended, owner)
			go func() { took <- d.kill(ctx, owner, other) }()
		}
	}, nil)
	if err != nil {
		return r, err
	}
	r.Takeover = (<-took).Seconds()
	d.Say("requests were answered again after %.1f s", r.Takeover)
	if r.Ended != r.Runs || r.Wrong > 0 {
		return r, d.failed(fmt.Sprintf("of %d runs %d have ended, and %d results are wrong", r.Runs, r.Ended, r.Wrong))
	}
	d.Say("all %d runs have ended, each with its result: nothing was lost", r.Runs)
	return r, nil
}

// roles returns the node that owns the data, and one that does not.
func (d *ClusterDemo) roles(ctx context.Context) (owner, other string, err error) {
	s, err := LookAtCluster(ctx, d.Cluster)
	if err != nil {
		return "", "", err
	}
	for _, one := range s.Nodes {
		switch {
		case one.Role == "owner":
			owner = one.Node
		case one.Answers:
			other = one.Node
		}
	}
	if owner == "" || other == "" {
		return "", "", d.failed("no node owns the data, or none follows: " + s.Problem)
	}
	return owner, other, nil
}

// kill kills a node, and returns how long it takes until another one answers.
func (d *ClusterDemo) kill(ctx context.Context, node, other string) time.Duration {
	_ = d.processes["node-"+node].Process.Kill() // it may have ended
	<-d.exited["node-"+node]
	began := time.Now()
	for ctx.Err() == nil && d.answers(ctx, other) != nil {
		time.Sleep(demoPause)
	}
	return time.Since(began)
}

// Stop ends all processes: the nodes first.
func (d *ClusterDemo) Stop() {
	for _, kind := range []string{"node-", "engine-"} {
		for name, cmd := range d.processes {
			if strings.HasPrefix(name, kind) {
				_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
			}
		}
		late := time.After(demoStop)
		for name, cmd := range d.processes {
			if !strings.HasPrefix(name, kind) {
				continue
			}
			select {
			case <-d.exited[name]:
			case <-late:
				_ = cmd.Process.Kill()
				<-d.exited[name]
			}
		}
	}
}
