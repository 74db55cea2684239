package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// ConsoleURL returns a URL that begins one session of the console, and when it expires.
func (c *Client) ConsoleURL(ctx context.Context) (address, expires string, err error) {
	var t wire.ConsoleTicket
	if err := c.change(ctx, http.MethodPost, "/console/ticket", nil, &t); err != nil {
		return "", "", err
	}
	return c.base + "/console/#ticket=" + url.QueryEscape(t.Ticket), t.Expires, nil
}
