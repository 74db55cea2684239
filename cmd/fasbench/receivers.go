package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	goruntime "runtime"
	"sync"
	"time"
)

const (
	// receivers is the number of runs that wait in recv at once.
	receivers    = 1_000
	receiverCode = `import socket


def main(args, context):
    with socket.create_connection((args["host"], args["port"])) as connection:
        return len(connection.recv(1))
`
)

// addressArgs returns the args of functions that connect to an address, and send a number of requests
// for a page at once.
func addressArgs(address net.Addr, path string, requests int) (string, error) {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`{"host": %q, "port": %s, "path": %q, "requests": %d}`, host, port, path, requests), nil
}

// silentPeer accepts connections. Once it has a number of them, it waits, sends each one byte, closes
// them, and begins again.
type silentPeer struct {
	listener net.Listener
	ended    chan struct{} // closed when the peer has ended
}

// newSilentPeer starts a peer of n connections that wait for d, on a free port of 127.0.0.1.
func newSilentPeer(n int, d time.Duration) (*silentPeer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &silentPeer{listener: l, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		for p.serve(n, d) {
		}
	}()
	return p, nil
}

// serve serves n connections at once. It reports whether the peer was not closed meanwhile.
func (p *silentPeer) serve(n int, d time.Duration) bool {
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close()
		}
	}()
	for len(all) < n {
		c, err := p.listener.Accept()
		if err != nil {
			return false
		}
		all = append(all, c)
	}
	time.Sleep(d)
	for _, c := range all {
		_, _ = c.Write([]byte{1}) // a run that has gone has failed
	}
	return true
}

// close closes the port and all connections.
func (p *silentPeer) close() {
	_ = p.listener.Close()
	<-p.ended
}

// measureReceivers measures runs that wait in recv, in a second wave, because the first one makes the
// instances.
func measureReceivers(ctx context.Context, l *lab) ([]measured, error) {
	if err := needFiles(4 * receivers); err != nil {
		return nil, err
	}
	peer, err := newSilentPeer(receivers, waitTime)
	if err != nil {
		return nil, err
	}
	defer peer.close()
	args, err := addressArgs(peer.listener.Addr(), "", 0)
	if err != nil {
		return nil, err
	}
	s, err := l.serveLocal(ctx,
		function{Name: "hello", Code: helloCode()},
		function{Name: "receive", Code: receiverCode, Timeout: callTime.Seconds(), Allow: []string{peer.listener.Addr().String()}},
	)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	watched := watchMemory(s.process, residentLimit)
	defer watched.stop()
	var w receiverWave
	for range 2 {
		if w, err = s.receive(ctx, watched, args); err != nil {
			return nil, cmp.Or(watched.exceeded(), err)
		}
	}
	return []measured{
		{
			value: quantity{float64(watched.stop()), inBytes},
			notes: []string{fmt.Sprintf("from the request until all %d have ended: %v, of which they all wait for %v at once", receivers, elapsed(w.took), waitTime)},
		},
		{
			value: elapsed(percentile(w.neighbour, 0.99)), limit: w.usage.limit(),
			notes: []string{fmt.Sprintf("%d calls; median %v, p90 %v, longest %v", len(w.neighbour), elapsed(median(w.neighbour)),
				elapsed(percentile(w.neighbour, 0.9)), elapsed(percentile(w.neighbour, 1)))},
		},
	}, nil
}

// receiverWave is what was measured while runs waited in recv.
type receiverWave struct {
	took      time.Duration   // from the request until all runs have ended
	neighbour []time.Duration // of the calls of the trivial function meanwhile
	usage     usage
}

// receive executes a bulk of runs that all wait in recv at once, beside a neighbour.
func (s *server) receive(ctx context.Context, watched *memoryWatch, args string) (w receiverWave, err error) {
	calling, stop := context.WithCancel(ctx)
	var failed error
	var neighbour sync.WaitGroup
	neighbour.Go(func() { w.neighbour, failed = s.callSlowly(calling) })
	half := time.AfterFunc(waitTime/2, watched.countShared)
	w.usage, err = s.observe(goruntime.NumCPU(), func() (err error) {
		w.took, _, err = s.executeBulk("receive", args, receivers)
		return err
	})
	half.Stop()
	stop()
	neighbour.Wait()
	return w, cmp.Or(context.Cause(ctx), err, failed)
}
