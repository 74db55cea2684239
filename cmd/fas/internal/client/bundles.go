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
}

// query returns the settings as a query with its question mark, empty if there are none.
func (s BundleSettings) query() string {
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
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// PutBundle deploys a bundle of size bytes, with some settings: it creates the function, or changes its
// code, and keeps its other settings. It returns when new runs use the change. The content is read while
// it is sent.
func (c *Client) PutBundle(ctx context.Context, name string, s BundleSettings, content io.ReaderAt, size int64) (executionID string, err error) {
	a, err := c.do(ctx, request{
		method: http.MethodPut,
		path:   bundlePath(name) + s.query(),
		upload: &upload{content: content, size: size, mediaType: mediaZip},
	})
	if err != nil {
		return "", err
	}
	return executionID, c.decode(a, &executionID)
}

// Bundle writes the bundle of a function to w. The error is CodeNotFound if there is no such function,
// or if it has no bundle.
func (c *Client) Bundle(ctx context.Context, name string, w io.Writer) error {
	began := time.Now()
	resp, err := c.open(ctx, request{method: http.MethodGet, path: bundlePath(name), accept: mediaZip})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		data, err := c.readAll(ctx, resp)
		if err != nil {
			return err
		}
		return c.refused(resp, data)
	}
	if kind := resp.Header.Get("Content-Type"); kind != mediaZip {
		return c.foreign(resp, fmt.Sprintf("it is not a bundle but %q", kind))
	}
	from := &failingReader{Reader: io.LimitReader(resp.Body, runtime.MaxBundle+1)}
	n, err := io.Copy(w, from)
	c.traceResponse(resp, int(n), time.Since(began))
	switch {
	case from.err != nil:
		return c.unreachable(ctx, from.err)
	case err != nil:
		return fmt.Errorf("write the bundle: %w", err)
	case n > runtime.MaxBundle:
		return c.foreign(resp, "it is longer than any bundle")
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
