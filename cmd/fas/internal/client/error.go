package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Error is an answer of the server with an error, or the failure of an execution.
type Error struct {
	Err         *runtime.Error
	Status      int    // HTTP status; 0 for the failure of an execution, see [Execution.Err]
	ExecutionID string // empty if nothing ran
	ErrorID     string // under which the server logged its own fault
}

// Error returns the status and the error on one line.
func (e *Error) Error() string { return fmt.Sprintf("status %d: %v", e.Status, e.Err) }

// Unwrap returns the coded error.
func (e *Error) Unwrap() error { return e.Err }

// refused returns the error of an answer with a status other than 200.
func (c *Client) refused(resp *http.Response, data []byte) error {
	var body struct {
		Message   string `json:"message"`
		Detail    string `json:"detail"`
		Code      string `json:"error_code"`
		Traceback string `json:"server_traceback"`
		Hint      string `json:"hint"`
		Line      int    `json:"line"`
		ErrorID   string `json:"error_id"`

		JobCode      string         `json:"error"` // below /v0, instead of error_code
		Errors       []wire.Mistake `json:"errors"`
		ObservedCode string         `json:"errorCode"`       // below /api/v2
		ObservedID   string         `json:"errorInstanceId"` // below /api/v2, instead of error_id
	}
	err := json.Unmarshal(data, &body)
	if body.Message == "" {
		body.Message = body.Detail
	}
	if err != nil || body.Message == "" {
		if resp.StatusCode >= 300 && resp.StatusCode < 400 {
			return c.foreign(resp, "it redirects to "+resp.Header.Get("Location"))
		}
		return c.foreign(resp, "it is not an error of faaspot")
	}
	coded := &runtime.Error{
		Code:      runtime.Code(body.Code),
		Message:   body.Message,
		Hint:      body.Hint,
		Traceback: strings.TrimRight(body.Traceback, "\n"),
		Line:      body.Line,
	}
	if coded.Code == "" {
		coded.Code = runtime.Code(body.JobCode)
	}
	for i, m := range body.Errors {
		if i == 0 {
			coded.Path = m.Path
			continue
		}
		coded.More = append(coded.More, &runtime.Error{Code: coded.Code, Path: m.Path, Message: m.Message, Hint: m.Hint})
	}
	if coded.Code == "" {
		coded.Code = codeOfStatus(resp.StatusCode)
		if body.ObservedCode == "INVALID_ARGUMENT" {
			coded.Code = runtime.CodeInvalidArgument
		}
	}
	if body.ObservedCode == "INTERNAL" { // the server logs no others
		body.ErrorID = body.ObservedID
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		coded.RetryAfter = time.Duration(s) * time.Second
	}
	if coded.Hint == "" || coded.Code == runtime.CodeUnauthenticated {
		coded.Hint = c.hintOf(coded) // the server does not know where the token comes from
	}
	return &Error{
		Err:         coded,
		Status:      resp.StatusCode,
		ExecutionID: resp.Header.Get(headerExecution),
		ErrorID:     body.ErrorID,
	}
}

// hintOf returns a hint for an error that the server sent without one.
func (c *Client) hintOf(e *runtime.Error) string {
	switch {
	case e.Code == runtime.CodeUnauthenticated:
		hint := "the token comes from " + c.source
		switch c.source {
		case "":
			hint = "check the token"
		case environ.TokenVar:
			hint += "; without that variable it is that of a profile"
		}
		return hint + "; `fas serve --reset-admin-token` generates a new one"
	case e.RetryAfter > 0:
		return fmt.Sprintf("try again in %v", e.RetryAfter)
	}
	return ""
}

// foreign returns the error for an answer that no faaspot server sends: another program listens at
// the address, or a proxy is in between.
func (c *Client) foreign(resp *http.Response, why string) error {
	return &Error{
		Err: runtime.Errorf(codeOfStatus(resp.StatusCode), "%s answered %q, and %s", c.base, resp.Status, why).
			WithHint("check host, port and protocol of the profile, and any proxy in between"),
		Status: resp.StatusCode,
	}
}

// codeOfStatus returns the code for an answer without one, which a proxy sends more often than a
// server.
func codeOfStatus(status int) runtime.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return runtime.CodeUnauthenticated
	case http.StatusNotFound:
		return runtime.CodeNotFound
	case http.StatusRequestEntityTooLarge:
		return runtime.CodeTooLarge
	case http.StatusTooManyRequests:
		return runtime.CodeTooBusy
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return runtime.CodeUnavailable
	}
	return runtime.CodeInternal
}

// unreachable returns the error for a request without a complete answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	e := &runtime.Error{Code: runtime.CodeUnavailable, Op: "client", Err: err}
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var badCert *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message = fmt.Sprintf("no server listens at %s", c.base)
		e.Hint = "start one with `fas serve`, or choose another profile with --profile"
	case errors.As(err, &dns):
		e.Message = fmt.Sprintf("the host %s is not known", dns.Name)
		e.Hint = "check the host of the profile"
	case errors.As(err, &unknownCA):
		e.Message = fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here", c.base)
		e.Hint = "set ssl_certificate of the profile to a PEM file with that authority"
	case errors.As(err, &wrongHost):
		e.Message = fmt.Sprintf("the certificate of %s is for another host: %v", c.base, wrongHost)
		e.Hint = "use a host name in the certificate"
	case errors.As(err, &badCert):
		e.Message = fmt.Sprintf("the certificate of %s is not accepted: %v", c.base, badCert.Err)
	case errors.As(err, &notTLS), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Message = fmt.Sprintf("%s does not speak TLS", c.base)
		e.Hint = "set protocol of the profile to http, and ssl_enabled to false"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		e.Message = fmt.Sprintf("%s closed the connection before it answered", c.base)
		e.Hint = "it may have been stopped; the request may or may not have taken effect"
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Message = fmt.Sprintf("%s does not answer", c.base)
		e.Hint = "check host and port of the profile, and the network in between"
	default:
		e.Message = fmt.Sprintf("cannot talk to %s: %v", c.base, err)
		e.Hint = "check host, port and protocol of the profile"
	}
	return e
}
