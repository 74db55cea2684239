package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/faaspot/faaspot/runtime"
)

// post returns the request of a delivery, and sets its body if it has none.
func (d *Deliverer) post(x *runtime.Delivery) (runtime.Post, error) {
	job, err := d.o.Store.GetJobExecutionByID(x.Tenant, x.JobExecution)
	switch {
	case err == nil && len(x.Body) == 0:
		if x.Body, err = d.o.Body(&job); err != nil {
			return runtime.Post{}, err
		}
	case runtime.CodeOf(err) != runtime.CodeNotFound && err != nil:
		return runtime.Post{}, err
	}
	trace := job.TraceID
	if trace == "" { // retention has dropped the execution
		trace = runtime.TraceOf(x.JobExecution)
	}
	timestamp := strconv.FormatInt(d.o.Now().Unix(), 10)
	return runtime.Post{
		Tenant: x.Tenant, URL: x.Callback.URL, Body: x.Body,
		Header: map[string]string{
			"Idempotency-Key":     x.ID,
			"Traceparent":         "00-" + trace + "-" + runtime.RandomHex(8) + "-01",
			"X-Blaxel-Timestamp":  timestamp,
			"X-Blaxel-Signature":  "sha256=" + signature(x.Callback.Secret, x.Body),
			"X-Faaspot-Signature": "t=" + timestamp + ",v1=" + signature(x.Callback.Secret, []byte(timestamp+"."), x.Body),
		},
	}, nil
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
