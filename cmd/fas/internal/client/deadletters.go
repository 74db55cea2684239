package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/faaspot/faaspot/httpapi/wire"
)

const deadLettersPath = "/v1/dlq/"

// DeadLetter is a callback that could not be delivered. Its JSON form is also the --json output of
// the command line: names and meanings of its fields stay.
type DeadLetter = wire.DeadLetter[Moment]

// DeadLetters calls page with dead letters, newest first, as [Client.ListExecutions] does.
func (c *Client) DeadLetters(ctx context.Context, limit int, page func([]DeadLetter) error) (more bool, err error) {
	left := limit
	size := listPage
	if limit > 0 {
		size = min(size, limit)
	}
	next := deadLettersPath + "?limit=" + strconv.Itoa(size)
	for {
		a, err := c.do(ctx, request{method: http.MethodGet, path: next})
		if err != nil {
			return false, err
		}
		var letters []DeadLetter
		if err := c.decode(a, &letters); err != nil {
			return false, err
		}
		if next, err = c.nextPage(a.header, deadLettersPath); err != nil {
			return false, err
		}
		if limit > 0 && len(letters) >= left {
			return next != "" || len(letters) > left, page(letters[:left])
		}
		left -= len(letters)
		if err := page(letters); err != nil || next == "" {
			return false, err
		}
	}
}

// DeadLetter returns one dead letter with its body.
func (c *Client) DeadLetter(ctx context.Context, id string) (d DeadLetter, err error) {
	return d, c.get(ctx, deadLettersPath+url.PathEscape(id), &d)
}

// RedriveDeadLetters asks the server to deliver dead letters again: those with the ids, or all if
// ids is nil. It returns their number.
func (c *Client) RedriveDeadLetters(ctx context.Context, ids []string) (int, error) {
	body := []byte("{}")
	if ids != nil {
		var err error
		if body, err = encode(map[string][]string{"ids": ids}); err != nil {
			return 0, err
		}
	}
	return c.countOf(ctx, request{method: http.MethodPost, path: deadLettersPath + "redrive", body: body})
}

// PurgeDeadLetter deletes one dead letter.
func (c *Client) PurgeDeadLetter(ctx context.Context, id string) error {
	_, err := c.countOf(ctx, request{method: http.MethodDelete, path: deadLettersPath + url.PathEscape(id)})
	return err
}

// PurgeDeadLetters deletes all dead letters and returns their number.
func (c *Client) PurgeDeadLetters(ctx context.Context) (int, error) {
	return c.countOf(ctx, request{method: http.MethodDelete, path: deadLettersPath})
}

func (c *Client) countOf(ctx context.Context, r request) (int, error) {
	a, err := c.do(ctx, r)
	if err != nil {
		return 0, err
	}
	var got wire.Count
	err = c.decode(a, &got)
	return got.Count, err
}
