package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// post returns the request of a delivery that has a body.
func (d *Deliverer) post(x *runtime.Delivery) runtime.Post {
	trace := x.TraceID
	if trace == "" {
		trace = runtime.TraceOf(x.JobExecution)
	}
	timestamp := strconv.FormatInt(d.o.Now().Unix(), 10)
	return runtime.Post{
		Tenant: x.Tenant, URL: x.Callback.URL, Body: x.Body,
		Header: map[string]string{
			"Idempotency-Key":     x.ID,
			"Traceparent":         "00-" + trace + "-" + runtime.SpanOf(x.JobExecution) + "-01",
			"X-Blaxel-Timestamp":  timestamp,
			"X-Blaxel-Signature":  "sha256=" + signature(x.Callback.Secret, x.Body),
			"X-Faaspot-Signature": "t=" + timestamp + ",v1=" + signature(x.Callback.Secret, []byte(timestamp+"."), x.Body),
		},
	}
}

// signature returns the HMAC-SHA256 (RFC 2104) of the concatenated parts, in hex.
func signature(secret string, parts ...[]byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range parts {
		_, _ = mac.Write(part)
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// failureText describes to the job's owner why an attempt failed.
func failureText(status int, err error) string {
	if known, ok := runtime.AsError(err); ok {
		return known.Message
	}
	if err != nil {
		return "the request failed"
	}
	return "the response status was " + strconv.Itoa(status)
}

// addressOf returns the host of a URL and its port, in the form that all spellings of them share.
func addressOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	port := u.Port()
	switch {
	case port == "" && u.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	host := strings.ToLower(strings.TrimRight(u.Hostname(), "."))
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.Unmap().WithZone("").String()
	}
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		port = strconv.FormatUint(number, 10)
	}
	return net.JoinHostPort(host, port)
}

// resolvedAddress returns an address and port in the form of [addressOf].
func resolvedAddress(a netip.AddrPort) string {
	return net.JoinHostPort(a.Addr().Unmap().WithZone("").String(), strconv.Itoa(int(a.Port())))
}
