package httpapi_test

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
)

// malformed are values of every type, and texts that parsers of numbers, times, URLs, addresses,
// schedules and JSON refuse in many ways.
var malformed = []string{
	`null`, `true`, `0`, `-1`, `1.5`, `1e999`, `99999999999999999999`, `""`, `"x"`, `"\ud800"`, `" 1"`, `"0x1"`, `"1_0"`, `"é"`, `[]`, `[null]`, `[[]]`, `["x"]`, `[1]`, `{}`, `{"x":1}`, `[{}]`,
	`"2026-13-01T00:00:00Z"`, `"2026-01-01"`, `"2026-01-01T00:00:00+99:99"`, `"http://[::1"`, `"http://a:99999/"`, `"http://%zz/"`, `"://"`, `"* * * *"`, `"99 * * * *"`, `"*/0 * * * *"`, `"5-1 * * * *"`, `"@x"`,
	`"Mars/Base"`, `"../UTC"`, `"a = "`, `"a = 99999999999999999999"`, `"a = 2026-99-99"`, `"%zz"`, `"==="`, `"30x"`, `"1h"`, `"9999999999999h"`,
}

// broken are bodies that are no JSON.
var broken = []string{
	" ", "{", "[", "}", "nul", "{\"a\":}", "{\"a\"", "{\"a\":1,}", "[1,]", "\"", "\"\\x\"", "\xff", "{\"\xff\":1}", "01", "+1", "1.", "{\"a\":1}{", "\ufeff{}", "{a:1}", "{'a':1}", "[1", "tru", "-", "\x00",
	strings.Repeat("[", 500), `{"values":"["}`, `{"tasks":"{"}`, `{"values":"[1,"}`, `{"tasks":"x"}`,
}

// goText matches what errors of Go's packages say: encoding/json, strconv, time, net/url, net, and the
// names of Go types.
var goText = regexp.MustCompile(`cannot unmarshal|Go value|Go struct|Go type|RawMessage|invalid character|unexpected end of JSON|unexpected EOF|\bEOF\b|json: |strconv|ParseInt|ParseFloat|Atoi|invalid syntax|value out of range|` +
	`parsing time|cannot parse|unknown time zone|time: (?:missing|unknown|invalid)|parse \\?"|invalid URL escape|missing protocol scheme|first path segment|invalid port|net/url|lookup |dial |no such host|` +
	`runtime error|goroutine |nil pointer|index out of range|reflect|map\[string\]|interface \{\}|interface conversion|\*runtime\.|float64|uint64|int64|uint16|illegal base64|encoding/|toml: `)

// variants returns documents that match a schema except for one value, which is malformed.
func variants(schema *openapi3.Schema, depth int) []string {
	all := malformed
	if schema == nil || depth == 0 {
		return all
	}
	for _, parts := range []openapi3.SchemaRefs{schema.AllOf, schema.AnyOf, schema.OneOf} {
		for _, part := range parts {
			all = append(all[:len(all):len(all)], variants(part.Value, depth-1)...)
		}
	}
	for name, property := range schema.Properties {
		for _, v := range variants(property.Value, depth-1) {
			all = append(all[:len(all):len(all)], `{`+strconv.Quote(name)+`:`+v+`}`)
		}
	}
	if schema.Items != nil {
		for _, v := range variants(schema.Items.Value, depth-1) {
			all = append(all[:len(all):len(all)], `[`+v+`]`)
		}
	}
	return all
}

// TestErrorsHaveNoTextOfGo sends malformed requests to every route: bodies, members of bodies, the
// query, parts of the path, and headers. No response has the text of an error of a Go package.
func TestErrorsHaveNoTextOfGo(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	doc := apitest.Document(t)
	names := map[string]string{"name": "hello.py", "id": apitest.ID, "jobId": "job", "executionId": "x", "path": "go", "resourceRid": "ri.function-registry.main.function." + apitest.ID}
	s.Do(t, "POST", "/v0/jobs", `{"metadata":{"name":"job"},"spec":{"function":"hello.py","triggers":[{"type":"http","configuration":{"path":"go"}}]}}`, nil)
	requests := 0
	send := func(method, path, body string, h apitest.Header) {
		a := s.Do(t, method, path, body, h)
		requests++
		if found := goText.FindString(a.Body); a.Status >= 400 && found != "" {
			t.Errorf("%s %s %.200q %v: the response has %q: %d %s", method, path, body, h, found, a.Status, a.Body)
		}
		if a.Status >= 500 && a.Status != 503 {
			t.Errorf("%s %s %.200q %v: %d %s", method, path, body, h, a.Status, a.Body)
		}
	}
	fill := func(pattern string, values map[string]string) string {
		for name, value := range values {
			pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, "{"+name+"}", value), "{"+name+":*}", value)
		}
		return pattern
	}
	for _, r := range httpapi.Routes() {
		if r.Method == "HEAD" || r.Method == "DELETE" && r.Path == "/v0/jobs/{jobId}" {
			continue
		}
		path := fill(r.Path, names)
		if strings.HasSuffix(r.Path, "/logs") {
			continue // follows
		}
		operation := doc.Paths.Value(documentPath(r)).GetOperation(r.Method)
		for _, p := range operation.Parameters {
			if p.Value.Name == "follow" {
				continue
			}
			for _, v := range malformed {
				text, err := strconv.Unquote(v)
				if err != nil {
					text = v
				}
				switch p.Value.In {
				case "query":
					send(r.Method, path+"?"+url.Values{p.Value.Name: {text}}.Encode(), "", nil)
				case "header":
					if p.Value.Name != "Authorization" && !strings.ContainsAny(text, "\x00") {
						send(r.Method, path, "", apitest.Header{p.Value.Name: text})
					}
				}
			}
		}
		for name := range names {
			if !strings.Contains(r.Path, "{"+name) || r.Method == "DELETE" {
				continue
			}
			for _, v := range []string{"%00", "%zz", "%FF", "..%2F..", "x%20y", strings.Repeat("a", 300), "ri.x", "-1"} {
				changed := map[string]string{name: v}
				for other, value := range names {
					if other != name {
						changed[other] = value
					}
				}
				send(r.Method, fill(r.Path, changed), "{}", nil)
			}
		}
		if r.MaxBody == web.NoBody {
			continue
		}
		for _, body := range broken {
			send(r.Method, path, body, nil)
		}
		var schema *openapi3.Schema
		if operation.RequestBody != nil {
			if media := operation.RequestBody.Value.Content.Get("application/json"); media != nil && media.Schema != nil {
				schema = media.Schema.Value
			}
		}
		for _, body := range variants(schema, 5) {
			send(r.Method, path, body, nil)
		}
	}
	if requests < 5000 {
		t.Errorf("only %d requests were sent", requests)
	}
	t.Logf("%d requests", requests)
}
