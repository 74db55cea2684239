package mesh

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/netaddr"
)

// A node sends one line when it has connected, and gets one back.
const (
	statusLine   = "faaspot 1 status\n"
	copyLine     = "faaspot 1 copy\n"
	drainLine    = "faaspot 1 drain " // with an order as JSON
	requestsLine = "faaspot 1 requests\n"
	linkLine     = "faaspot 1 link " // with a kind and the name of the node
	acceptLine   = "ok\n"
	busyLine     = "busy\n"
	// maxLine bounds a line, and maxAnswer an answer that is JSON, in bytes.
	maxLine   = 256
	maxAnswer = 4 << 10
	// helloTime is the time within which the lines are exchanged.
	helloTime = 3 * time.Second
)

// errBusy reports that a node does for another one what it does for one at a time.
var errBusy = errors.New("it sends a copy to another node at the moment")

// Dialer connects to other nodes.
type Dialer struct {
	TLS *tls.Config // of the key of the cluster; nil: connections are not encrypted
}

// dial connects to a node, and sends a line. The connection has a deadline. Without a key, anyone may have
// announced the address: it must be one of this machine then.
func (d Dialer) dial(ctx context.Context, address, line string) (net.Conn, error) {
	if d.TLS == nil && !netaddr.OnLoopback(address) {
		return nil, fmt.Errorf("%s is not a loopback address, and there is no key", address)
	}
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := socket
	if d.TLS != nil {
		conn = tls.Client(socket, d.TLS)
	}
	until, _ := ctx.Deadline()
	if err = conn.SetDeadline(until); err == nil {
		_, err = io.WriteString(conn, line)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connect to a node: %w", err)
	}
	return conn, nil
}

// Ask asks the node at an address for its status.
func (d Dialer) Ask(ctx context.Context, address string) (s cluster.Status, err error) {
	if err = d.question(ctx, address, statusLine, &s); err != nil {
		err = fmt.Errorf("ask a node for its status: %w", err)
	}
	return s, err
}

// question sends a line to a node, and decodes its answer, which is JSON.
func (d Dialer) question(ctx context.Context, address, line string, answer any) error {
	conn, err := d.dial(ctx, address, line)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	text, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// Requests opens a connection on which the node at an address answers requests. It fails if the node does not own the
// data.
func (d Dialer) Requests(ctx context.Context, address string) (net.Conn, error) {
	return d.open(ctx, address, requestsLine)
}

// Link opens a connection for messages of a kind from a node, of which this is the name, to that at an address.
func (d Dialer) Link(ctx context.Context, address, kind, node string) (net.Conn, error) {
	return d.open(ctx, address, linkLine+kind+" "+node+"\n")
}

// open opens a connection that the other node has accepted.
func (d Dialer) open(ctx context.Context, address, line string) (net.Conn, error) {
	conn, err := d.dial(ctx, address, line)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	answer, err := readLine(conn)
	switch {
	case err != nil: // it has closed the connection: it does not own the data, or has no place
	case answer == busyLine:
		err = errBusy
	case answer != acceptLine:
		err = fmt.Errorf("it answers %q", answer)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open a connection to a node: %w", err)
	}
	return conn, nil
}

// readLine reads a line, and nothing behind it.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < maxLine; {
		n, err := r.Read(one)
		if n == 1 {
			if line = append(line, one[0]); one[0] == '\n' {
				return string(line), nil
			}
			continue
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("a line is too long")
}
