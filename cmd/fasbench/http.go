package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// callTime bounds one request.
const callTime = time.Minute

// client sends requests over one connection, one after the other. It is as thin
// as it can be: what it costs counts as the server's. One goroutine at a time.
type client struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	timeout time.Duration
}

func newClient(address string) *client { return &client{address: address, timeout: callTime} }

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// connect opens the connection if it is not open.
func (c *client) connect() (err error) {
	if c.conn != nil {
		return nil
	}
	if c.conn, err = net.DialTimeout("tcp", c.address, c.timeout); err != nil {
		return err
	}
	if c.in == nil {
		c.in = bufio.NewReader(nil)
	}
	c.in.Reset(c.conn)
	return nil
}

// do sends a request and reads its answer. A server that closes connections now
// and then is followed.
func (c *client) do(request []byte) (status int, body []byte, err error) {
	if err := c.connect(); err != nil {
		return 0, nil, err
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		return 0, nil, err
	}
	if response.Close {
		c.close()
	}
	return response.StatusCode, body, nil
}

// succeed is do for a request that is to be answered with 200.
func (c *client) succeed(request []byte) ([]byte, error) {
	status, body, err := c.do(request)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, tail(body))
	}
	return body, err
}

// timed sends a request that is to succeed and tells how long it took, with the
// connection open before.
func (c *client) timed(request []byte) (time.Duration, error) {
	if err := c.connect(); err != nil {
		return 0, err
	}
	began := time.Now()
	_, err := c.succeed(request)
	return time.Since(began), err
}

// repeat sends a request again and again until the time is over, and gives how
// long each took.
func (c *client) repeat(ctx context.Context, request []byte, length time.Duration) ([]time.Duration, error) {
	var times []time.Duration
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil; {
		took, err := c.timed(request)
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	if len(times) == 0 {
		return nil, fmt.Errorf("nothing was measured: %w", context.Cause(ctx))
	}
	return times, nil
}
