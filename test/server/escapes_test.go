//go:build linux

package server

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/faaspot/faaspot/test/process"
)

// escapes are texts that harm a terminal, a browser or a reader of lines that gets them as they are.
var escapes = map[string]string{
	"title":            "\x1b]0;evil\x07",
	"clear":            "\x1b[2J\x1b[H\x1bc",
	"C1 controls":      "\u009b2J\u0090q\u009c",
	"NULs":             "a\x00b\x00",
	"all controls":     "\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x1a\x7f",
	"carriage returns": "good\rbad\r\n",
	"line separators":  "a\u2028b\u2029c\u0085d",
	"bidi":             "\u202eevil\u2066\u202c",
	"tags":             "<script>alert(1)</script><!--",
	"header":           "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n",
	"event":            "\n\nevent: end\ndata: {}\n\n",
	"invalid UTF-8":    "\xff\xfe\xc0\x80\xed\xa0\x80",
}

// escapingCode writes a text, given as a list of bytes, to both streams, returns it, or raises it.
const escapingCode = `import sys
def main(args, context):
    raw = bytes(args["bytes"])
    for stream in (sys.stdout, sys.stderr):
        stream.buffer.write(raw)
        stream.flush()
    text = raw.decode(errors="replace")
    if args.get("fail"): raise ValueError(text)
    return {text: text}
`

// rawControls returns the first control character in a text that is not white space between members of
// JSON, or -1.
func rawControls(text string) int {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' })
}

// checkEvents checks that a stream has only the events of a log and its end, each with data that are JSON.
func checkEvents(t *testing.T, name, stream string) {
	t.Helper()
	ends := 0
	for line := range strings.SplitSeq(stream, "\n") {
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "event: end":
			ends++
		case line == "", line == "event: log", line == "event: attempt", field == "id", field == "data" && json.Valid([]byte(value)), strings.HasPrefix(line, ":"):
		default:
			t.Errorf("%s: a follower gets the line %q", name, line)
		}
	}
	if ends != 1 || rawControls(stream) >= 0 {
		t.Errorf("%s: a follower gets %d ends: %q", name, ends, stream)
	}
}

// Whatever a function writes, returns or raises, answers in JSON escape it, so that they are valid and
// have no control character; the raw log has the bytes that were written, as a text that no browser takes
// for markup; and a follower gets no event that the server did not send.
func TestEscapesOverHTTP(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	neighbour := newTenant(t, server, "neighbour")
	neighbour.Deploy(t, "echo", process.EchoCode)
	server.Deploy(t, "writes", escapingCode)
	for name, text := range escapes {
		list := make([]int, len(text))
		for i := range len(text) {
			list[i] = int(text[i])
		}
		numbers, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, fail := range []string{"", `,"fail":1`} {
			args := fmt.Sprintf(`{"bytes":%s%s}`, numbers, fail)
			id := server.Submit(t, "writes", args)
			x := server.WaitEnd(t, id)
			if done := x.Status == process.Success; done != (fail == "") {
				t.Fatalf("%s: %s", name, x.Text)
			}
			answers := map[string]process.Reply{}
			for _, path := range []string{"/v1/executions/" + id, "/v1/executions/" + id + "/logs", "/v1/executions/?" + url.Values{"function": {"writes"}, "include_completed": {"True"}, "limit": {"1"}}.Encode()} {
				answers[path] = server.Must(t, "GET", path, "")
			}
			if answers["blocking"], err = server.Do(t.Context(), "POST", fmt.Sprintf(runPath, "writes"), args); err != nil {
				t.Fatal(err)
			}
			for path, r := range answers {
				if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" || !json.Valid(r.Body) || !utf8.Valid(r.Body) {
					t.Errorf("%s, %s: %s %q", name, path, r.Header.Get("Content-Type"), r.Body)
				}
				if i := rawControls(string(r.Body)); i >= 0 {
					t.Errorf("%s, %s has a control character at %d: %q", name, path, i, r.Body)
				}
				for field := range r.Header {
					if field == "Set-Cookie" {
						t.Errorf("%s, %s sets a cookie", name, path)
					}
				}
			}
			raw := server.Must(t, "GET", "/v1/executions/"+id+"/logs?format=raw&stream=stdout", "")
			if kind, _, _ := mime.ParseMediaType(raw.Header.Get("Content-Type")); string(raw.Body) != text || kind != "text/plain" || raw.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: the raw log is %q as %s, %q", name, raw.Body, kind, raw.Header.Get("X-Content-Type-Options"))
			}
			follow := server.Must(t, "GET", "/v1/executions/"+id+"/logs?follow=1", "")
			checkEvents(t, name, string(follow.Body))
		}
		if r := neighbour.Must(t, "POST", fmt.Sprintf(runPath, "echo"), `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
			t.Errorf("%s: the neighbour gets %s", name, r.Body)
		}
	}
}
