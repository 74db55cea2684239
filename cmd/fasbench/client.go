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

const (
	// callTime bounds one request.
	callTime = time.Minute
	// idleTime is how long a connection may be idle and be used again. It is shorter than the time
	// after which servers close idle connections.
	idleTime = 20 * time.Second
)

// client sends requests over one connection, one after the other. It does as little as possible,
// because its own time counts as the server's. It must not be used concurrently.
type client struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	used    time.Time // when the connection was opened, or its last response was received
	timeout time.Duration
}

// newClient returns a client of the server at an address. It connects on first use.
func newClient(address string) *client { return &client{address: address, timeout: callTime} }

// close closes the connection. The next request opens a new one.
func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// connect opens the connection unless it is open and was used recently.
func (c *client) connect() (err error) {
	if c.conn != nil && time.Since(c.used) > idleTime {
		c.close()
	}
	if c.conn != nil {
		return nil
	}
	c.used = time.Now()
	if c.conn, err = net.DialTimeout("tcp", c.address, c.timeout); err != nil {
		return err
	}
	if c.in == nil {
		c.in = bufio.NewReader(nil)
	}
	c.in.Reset(c.conn)
	return nil
}

// do sends a request and reads the response. If the server closes the connection after it, the next
// request opens a new one.
func (c *client) do(request []byte) (status int, body []byte, err error) {
	if err := c.send(request); err != nil {
		return 0, nil, err
	}
	return c.receive()
}

// send sends a request. Its response must be received before the next one is sent.
func (c *client) send(request []byte) error {
	if err := c.connect(); err != nil {
		return err
	}
	err := c.conn.SetDeadline(time.Now().Add(c.timeout))
	if err == nil {
		_, err = c.conn.Write(request)
	}
	if err != nil {
		c.close()
	}
	return err
}

// receive reads the response to the request that was sent.
func (c *client) receive() (status int, body []byte, err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		return 0, nil, err
	}
	if c.used = time.Now(); response.Close {
		c.close()
	}
	return response.StatusCode, body, nil
}

// succeed sends a request and returns the response's body. Any status but 200 is an error.
func (c *client) succeed(request []byte) ([]byte, error) {
	status, body, err := c.do(request)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, tail(body))
	}
	return body, err
}

// timed sends a request that must succeed and returns how long the response took, without the time
// to connect.
func (c *client) timed(request []byte) (time.Duration, error) {
	if err := c.connect(); err != nil {
		return 0, err
	}
	began := time.Now()
	_, err := c.succeed(request)
	return time.Since(began), err
}

// repeat sends a request repeatedly for the given length of time and returns how long each response
// took.
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
		return nil, fmt.Errorf("no request was completed: %w", context.Cause(ctx))
	}
	return times, nil
}
