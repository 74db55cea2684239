package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// BundleSettings are the settings of a function that change along with its bundle. The zero value
// changes none.
type BundleSettings struct {
	Timeout float64   // seconds; 0: unchanged
	Memory  int64     // MB; 0: unchanged
	Retries *int      // nil: unchanged
	Allow   *[]string // nil: unchanged; empty: nothing
	// KeepArgs says whether args are kept; nil: unchanged.
	KeepArgs *bool
	Only     Only // whether the function must exist; empty: it may, or not
}

// Only says whether a function must exist before a change. It is the header, with the value *, that
// demands it.
type Only string

// What a change can demand. If it is not true, the error is CodePrecondition.
const (
	OnlyNew      Only = "If-None-Match"
	OnlyExisting Only = "If-Match"
)

// query returns the settings as a query with its question mark, empty if there are none.
func (s BundleSettings) query() string {
	q := s.values()
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// values returns the settings as parameters.
func (s BundleSettings) values() url.Values {
	q := make(url.Values)
	if s.Timeout != 0 {
		q.Set("timeout", strconv.FormatFloat(s.Timeout, 'f', -1, 64))
	}
	if s.Memory != 0 {
		q.Set("memory", strconv.FormatInt(s.Memory, 10))
	}
	if s.Retries != nil {
		q.Set("retries", strconv.Itoa(*s.Retries))
	}
	if s.Allow != nil {
		if q["allow"] = *s.Allow; len(*s.Allow) == 0 {
			q.Set("allow", "")
		}
	}
	if s.KeepArgs != nil {
		q.Set("keep_args", strconv.FormatBool(*s.KeepArgs))
	}
	return q
}

// PutBundle deploys a bundle of size bytes, with some settings: it creates the function, or changes its
// code, and keeps its other settings. It returns when new runs use the change. The content is read while
// it is sent.
func (c *Client) PutBundle(ctx context.Context, name string, s BundleSettings, content io.ReaderAt, size int64) (executionID string, err error) {
	r := request{
		method: http.MethodPut,
		path:   bundlePath(name) + s.query(),
		upload: &upload{content: content, size: size, mediaType: mediaZip},
	}
	if s.Only != "" {
		r.header = map[string]string{string(s.Only): "*"}
	}
	a, err := c.do(ctx, r)
	if err != nil {
		return "", err
	}
	return executionID, c.decode(a, &executionID)
}

// Bundle writes the bundle of a function to w. The error is CodeNotFound if there is no such function,
// or if it has no bundle.
func (c *Client) Bundle(ctx context.Context, name string, w io.Writer) error {
	return c.download(ctx, request{method: http.MethodGet, path: bundlePath(name), accept: mediaZip}, "bundle", runtime.MaxBundle, w)
}

// download writes the file of the type r.accept that answers a request to w; what names the file, in errors.
// The error is nil only if the server has sent all of it, and it has at most most bytes.
func (c *Client) download(ctx context.Context, r request, what string, most int64, w io.Writer) error {
	began := time.Now()
	resp, err := c.openOK(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != r.accept {
		return c.foreign(resp, fmt.Sprintf("it is not a %s but %q", what, kind))
	}
	from := &failingReader{Reader: io.LimitReader(resp.Body, most+1)}
	n, err := io.Copy(w, from)
	c.traceResponse(resp, int(n), time.Since(began))
	switch {
	case from.err != nil:
		return c.unreachable(ctx, from.err)
	case err != nil:
		return fmt.Errorf("write the %s: %w", what, err)
	case n > most:
		return c.foreign(resp, "it is longer than any "+what)
	}
	return nil
}

// failingReader remembers the error that ended it, which is not one of the writer beside it.
type failingReader struct {
	io.Reader
	err error
}

func (r *failingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

func bundlePath(name string) string { return functionPath(name) + "/bundle" }
