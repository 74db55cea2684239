package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// Version is one stored version of a function. Its JSON form is the --json output of the command line,
// as that of a [Listed] is.
type Version struct {
	Version   uint64       `json:"version"`
	Current   bool         `json:"current"`
	Created   time.Time    `json:"created"` // in UTC
	UserID    *string      `json:"user_id"` // who deployed it; null: not recorded
	Name      string       `json:"name"`    // of the function when it was deployed
	Timeout   float64      `json:"timeout"` // seconds
	Memory    float64      `json:"memory"`  // MB
	Retries   int          `json:"retries"`
	Allow     []string     `json:"allow"`
	CodeBytes int          `json:"code_bytes"`
	Bundle    *wire.Bundle `json:"bundle,omitempty"`
}

// VersionDetail is one version with its code and the names in its context.
type VersionDetail struct {
	Version
	Code        string   `json:"code"`
	ContextKeys []string `json:"context_keys"`
}

// VersionDiff is what differs between two versions.
type VersionDiff = wire.VersionDiff

func newVersion(w *wire.FunctionVersion[Moment]) Version {
	return Version{
		Version: w.Version, Current: w.Current, Created: w.Created.Time, UserID: w.UserID, Name: w.Name, Timeout: w.Timeout,
		Memory: w.Memory, Retries: w.Retries, Allow: append([]string{}, w.Allow...), CodeBytes: w.CodeBytes, Bundle: w.Bundle,
	}
}

// Versions lists the stored versions of a function, newest first.
func (c *Client) Versions(ctx context.Context, name string) ([]Version, error) {
	var list []wire.FunctionVersion[Moment]
	if err := c.get(ctx, functionPath(name)+"/versions", &list); err != nil {
		return nil, err
	}
	all := make([]Version, len(list))
	for i := range list {
		all[i] = newVersion(&list[i])
	}
	return all, nil
}

// Version returns one stored version of a function.
func (c *Client) Version(ctx context.Context, name string, number uint64) (VersionDetail, error) {
	var w wire.FunctionVersionDetail[Moment]
	path := functionPath(name) + "/versions/" + strconv.FormatUint(number, 10) + "?encoding=" + wire.EncodingPlain
	if err := c.get(ctx, path, &w); err != nil {
		return VersionDetail{}, err
	}
	return VersionDetail{newVersion(&w.FunctionVersion), w.Code, append([]string{}, w.ContextKeys...)}, nil
}

// DiffDraft compares the current version of a function with a change, which is not made.
func (c *Client) DiffDraft(ctx context.Context, name string, r UpdateRequest) (d VersionDiff, err error) {
	r.Encoding = wire.EncodingPlain
	body, err := encode(r)
	if err != nil {
		return d, err
	}
	a, err := c.do(ctx, request{method: http.MethodPost, path: functionPath(name) + "/diff", body: body})
	if err != nil {
		return d, err
	}
	return d, c.decode(a, &d)
}

// Diff compares two stored versions of a function. Zero in place of to is the current version, in place
// of from the one before to.
func (c *Client) Diff(ctx context.Context, name string, from, to uint64) (d VersionDiff, err error) {
	q := make(url.Values)
	for key, number := range map[string]uint64{"from": from, "to": to} {
		if number != 0 {
			q.Set(key, strconv.FormatUint(number, 10))
		}
	}
	path := functionPath(name) + "/diff"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return d, c.get(ctx, path, &d)
}

// Rollback makes a new version of a function that is equal to a stored one.
func (c *Client) Rollback(ctx context.Context, name string, r wire.FunctionRollback) (executionID string, err error) {
	return c.send(ctx, http.MethodPost, functionPath(name)+"/rollback", r)
}

// TryRequest is a request to run code once. [Client.Try] sets the encoding.
type TryRequest = wire.TryRequest

// Trial is the outcome of code that ran once.
type Trial = wire.Trial[Moment]

// Try runs code once, without storing it.
func (c *Client) Try(ctx context.Context, r TryRequest) (t Trial, err error) {
	r.Encoding = wire.EncodingPlain
	data, err := encode(r)
	if err != nil {
		return t, err
	}
	a, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/try", body: data})
	if err != nil {
		return t, err
	}
	return t, c.decode(a, &t)
}

// TryBundle runs a bundle of size bytes once, with some settings and a JSON object of args.
func (c *Client) TryBundle(ctx context.Context, s BundleSettings, args json.RawMessage, content io.ReaderAt, size int64) (t Trial, err error) {
	q := s.values()
	if len(args) > 0 {
		q.Set("args", string(args))
	}
	path := "/v1/try/bundle"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	a, err := c.do(ctx, request{method: http.MethodPost, path: path, upload: &upload{content: content, size: size, mediaType: mediaZip}})
	if err != nil {
		return t, err
	}
	return t, c.decode(a, &t)
}

// Ticks are the next ticks of a schedule.
type Ticks = wire.NextTicks[time.Time]

// NextTicks returns the next n ticks of a schedule.
func (c *Client) NextTicks(ctx context.Context, schedule, zone string, n int) (t Ticks, err error) {
	q := url.Values{"schedule": {schedule}, "n": {strconv.Itoa(n)}}
	if zone != "" {
		q.Set("timezone", zone)
	}
	return t, c.get(ctx, "/v1/schedules/next?"+q.Encode(), &t)
}
