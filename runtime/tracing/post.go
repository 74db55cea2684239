package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// patience is how long a batch is tried again. The first pause is firstPause, further ones are twice as
	// long, and none is longer than longestPause, also if the collector asks for that.
	patience     = time.Minute
	firstPause   = time.Second
	longestPause = 15 * time.Second
	// maxReply bounds what is read of an answer.
	maxReply = 64 * runtime.KiB
)

func newClient(o Options) *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true,
		MaxIdleConns: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: o.Timeout,
	}
	return &http.Client{
		Transport: transport, Timeout: o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // headers may have secrets
	}
}

// send posts a batch, and counts what becomes of it.
func (e *Exporter) send(batch []*tracepb.Span) {
	rejected, err := e.try(batch)
	if err != nil || rejected > len(batch) {
		rejected = len(batch)
	}
	e.dropped.Add(uint64(rejected))
	e.exported.Add(uint64(len(batch) - rejected))
	if failed := err != nil || rejected > 0; failed != e.failing {
		if e.failing = failed; failed {
			e.log.Warn("the collector of traces does not take spans, which are dropped: metrics count them", "spans", rejected, "error", err)
		} else {
			e.log.Info("the collector of traces takes spans again")
		}
	}
}

// try posts a batch until the collector takes it, refuses it for good, or time is over. It returns the
// number of spans that the collector says it has refused.
func (e *Exporter) try(batch []*tracepb.Span) (rejected int, err error) {
	body, err := e.encode(batch)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(e.sending, patience)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		rejected, err = e.post(ctx, body)
		later, again := errors.AsType[*retryError](err)
		if err == nil || !again {
			return rejected, err
		}
		timer := time.NewTimer(min(max(pause, later.after), longestPause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, err
		case <-e.closing:
			timer.Stop()
			return 0, err
		}
	}
}

func (e *Exporter) encode(batch []*tracepb.Span) ([]byte, error) {
	body, err := proto.Marshal(&collectorpb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: e.resource, ScopeSpans: []*tracepb.ScopeSpans{{Scope: e.scope, Spans: batch}},
	}}})
	if err != nil || !e.o.Compress {
		return body, err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(body) // to memory
	_ = w.Close()
	return packed.Bytes(), nil
}

// retryError is an error after which the same batch may succeed.
type retryError struct {
	after time.Duration // that the collector asks for
	err   error
}

func (r *retryError) Error() string { return r.err.Error() }
func (r *retryError) Unwrap() error { return r.err }

func (e *Exporter) post(ctx context.Context, body []byte) (rejected int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.o.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the URL of the collector is not valid")
	}
	for name, value := range e.o.Header {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "faaspot/"+e.o.Version)
	if e.o.Compress {
		r.Header.Set("Content-Encoding", "gzip")
	}
	a, err := e.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the URL may have secrets
		}
		return 0, &retryError{err: err}
	}
	defer a.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(a.Body, maxReply))
	switch {
	case a.StatusCode == http.StatusTooManyRequests, a.StatusCode == http.StatusBadGateway,
		a.StatusCode == http.StatusServiceUnavailable, a.StatusCode == http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(a.Header.Get("Retry-After"))
		return 0, &retryError{time.Duration(min(max(seconds, 0), int(patience/time.Second))) * time.Second, statusError(a)}
	case a.StatusCode/100 != 2:
		return 0, statusError(a)
	}
	var answer collectorpb.ExportTraceServiceResponse
	if err != nil || proto.Unmarshal(reply, &answer) != nil {
		return 0, nil // it has taken them
	}
	return int(max(0, min(answer.GetPartialSuccess().GetRejectedSpans(), maxBatch))), nil
}

func statusError(a *http.Response) error {
	return fmt.Errorf("the collector has answered with status %d", a.StatusCode)
}
