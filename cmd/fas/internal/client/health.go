package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// Health is the state of a server.
type Health struct {
	Reachable bool
	Ready     bool
	Version   string    // empty if the server does not report it
	Time      time.Time // of the server's clock when it answered, in whole seconds; zero: it did not say
}

// CheckToken returns an error if the server does not accept the token.
func (c *Client) CheckToken(ctx context.Context) error {
	_, err := c.do(ctx, request{method: "GET", path: "/v1/functions/?limit=1"})
	return err
}

// Health returns whether the server is reachable and ready. If it is not, the error says why.
func (c *Client) Health(ctx context.Context) (Health, error) {
	a, err := c.do(ctx, request{method: "GET", path: "/readyz"})
	if err != nil {
		_, answered := errors.AsType[*Error](err)
		return Health{Reachable: answered}, err
	}
	h := Health{Reachable: true, Ready: true}
	h.Time, _ = http.ParseTime(a.header.Get("Date")) // zero if there is none
	var body wire.Health
	if json.Unmarshal(a.body, &body) == nil {
		h.Version = body.Version
	}
	return h, nil
}

// Whoami returns what the token is and permits.
func (c *Client) Whoami(ctx context.Context) (w wire.Whoami, err error) {
	return w, c.get(ctx, "/v1/whoami", &w)
}
