package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

const deadLettersPath = "/v1/dlq/"

// DeadLetter is a callback that was given up. Its JSON form is also what the
// --json of the command line prints: names and meanings of its fields stay.
type DeadLetter struct {
	ID          string          `json:"id"`
	Job         string          `json:"job"`
	Execution   string          `json:"execution"` // the id of the job's execution that it tells of
	URL         string          `json:"url"`
	Created     Moment          `json:"created"`
	Attempts    int             `json:"attempts"`
	LastAttempt Moment          `json:"last_attempt"`
	LastStatus  *int            `json:"last_status"` // of HTTP; null: there was no answer
	LastError   string          `json:"last_error"`
	BodySize    int             `json:"body_size"`      // bytes
	Body        json.RawMessage `json:"body,omitempty"` // lists leave it out
}

// wireDeadLetter is one as the server writes it.
type wireDeadLetter struct {
	DeadLetter
	Created     wireTime `json:"created"`
	LastAttempt wireTime `json:"last_attempt"`
}

func (w wireDeadLetter) letter() DeadLetter {
	d := w.DeadLetter
	d.Created, d.LastAttempt = Moment(w.Created), Moment(w.LastAttempt)
	return d
}

// DeadLetters gives dead letters, newest first, to page as [Client.ListExecutions]
// does.
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
		var list []wireDeadLetter
		if err := c.decode(a, &list); err != nil {
			return false, err
		}
		if next, err = c.nextPage(a.header, deadLettersPath); err != nil {
			return false, err
		}
		letters := make([]DeadLetter, 0, len(list))
		for _, w := range list {
			letters = append(letters, w.letter())
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

// DeadLetter gets one with its body.
func (c *Client) DeadLetter(ctx context.Context, id string) (DeadLetter, error) {
	var w wireDeadLetter
	err := c.get(ctx, deadLettersPath+url.PathEscape(id), &w)
	return w.letter(), err
}

// RedriveDeadLetters has those tried again that have one of the ids, or all if
// ids is nil, and gives how many these are.
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

// PurgeDeadLetter drops one.
func (c *Client) PurgeDeadLetter(ctx context.Context, id string) error {
	_, err := c.countOf(ctx, request{method: http.MethodDelete, path: deadLettersPath + url.PathEscape(id)})
	return err
}

// PurgeDeadLetters drops all, and gives how many these were.
func (c *Client) PurgeDeadLetters(ctx context.Context) (int, error) {
	return c.countOf(ctx, request{method: http.MethodDelete, path: deadLettersPath})
}

func (c *Client) countOf(ctx context.Context, r request) (int, error) {
	a, err := c.do(ctx, r)
	if err != nil {
		return 0, err
	}
	var got struct {
		Count int `json:"count"`
	}
	err = c.decode(a, &got)
	return got.Count, err
}
