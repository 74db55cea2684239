//go:build linux

package network

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
)

// recording is an answer of an API, as its public documentation shows it.
type recording struct {
	Method, Path string
	Query        url.Values
	Form         url.Values
	Status       int
	Body         json.RawMessage
}

// startAPIs starts a server that answers as Stripe and Twilio do.
func startAPIs(t *testing.T, c certificates) map[string]int {
	ports := make(map[string]int)
	for api, credential := range map[string][2]string{"stripe": {"sk_test_1", ""}, "twilio": {"AC00000000000000000000000000000001", "secret"}} {
		var recordings []recording
		if err := json.Unmarshal([]byte(read(t, filepath.Join("recorded", api+".json"))), &recordings); err != nil {
			t.Fatal(err)
		}
		handler := replay(credential, recordings)
		ports[api], ports[api+"_tls"] = serveHTTP(t, handler, nil), serveHTTP(t, handler, c.config(t))
	}
	return ports
}

// replay answers requests that were recorded, with the credential by basic or bearer authentication. It
// describes others in an answer 400.
func replay(credential [2]string, recordings []recording) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, basic := r.BasicAuth()
		if basic && [2]string{user, password} != credential || !basic && r.Header.Get("Authorization") != "Bearer "+credential[0] {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": {"message": "Invalid API Key provided", "type": "invalid_request_error"}}`)
			return
		}
		body, err := io.ReadAll(r.Body)
		form, formErr := url.ParseQuery(string(body))
		if err != nil || formErr != nil {
			http.Error(w, "no form", http.StatusBadRequest)
			return
		}
		for _, known := range recordings {
			if known.Method == r.Method && known.Path == r.URL.Path && known.Query.Encode() == r.URL.Query().Encode() && known.Form.Encode() == form.Encode() {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Request-Id", "req_1")
				w.WriteHeader(known.Status)
				_, _ = w.Write(known.Body)
				return
			}
		}
		http.Error(w, fmt.Sprintf("not recorded: %s %s %s", r.Method, r.URL, form.Encode()), http.StatusBadRequest)
	}
}
