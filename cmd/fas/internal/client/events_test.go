package client

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func readEvents(t *testing.T, r io.Reader) []event {
	t.Helper()
	reader := newEventReader(r)
	var all []event
	for {
		e, err := reader.next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

func TestEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []event
	}{
		"nothing":                {"", nil},
		"all fields":             {"event: log\nid: 7\ndata: x\n\n", []event{{"log", "7", "x"}}},
		"order does not matter":  {"data: x\nid: 7\nevent: log\n\n", []event{{"log", "7", "x"}}},
		"CRLF":                   {"event: log\r\ndata: x\r\n\r\n", []event{{"log", "", "x"}}},
		"without spaces":         {"event:log\ndata:x\n\n", []event{{"log", "", "x"}}},
		"only one space goes":    {"data:  x\n\n", []event{{"", "", " x"}}},
		"several lines of data":  {"data: a\ndata:\ndata: b\n\n", []event{{"", "", "a\n\nb"}}},
		"comments":               {": hi\ndata: x\n:\n\n:\n\n", []event{{"", "", "x"}}},
		"unknown fields":         {"retry: 5\nfoo\ndata: x\n\n", []event{{"", "", "x"}}},
		"a colon in data":        {"data: a: b\n\n", []event{{"", "", "a: b"}}},
		"no data is no event":    {"event: log\nid: 3\n\ndata: x\n\n", []event{{"", "", "x"}}},
		"cut off":                {"data: x\n\ndata: y\n", []event{{"", "", "x"}}},
		"several":                {"data: x\n\nevent: e\ndata: y\n\n", []event{{"", "", "x"}, {"e", "", "y"}}},
		"several, between blank": {"data: x\n\n\n\ndata: y\n\n", []event{{"", "", "x"}, {"", "", "y"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, readEvents(t, strings.NewReader(tc.text)), cmp.AllowUnexported(event{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The events do not depend on how the bytes are divided into reads.
func FuzzEvents(f *testing.F) {
	f.Add("event: log\nid: 7\ndata: {\"a\":1}\r\n\n: \n\ndata: cut")
	f.Fuzz(func(t *testing.T, text string) {
		whole := readEvents(t, strings.NewReader(text))
		for name, r := range map[string]io.Reader{
			"byte by byte": iotest.OneByteReader(strings.NewReader(text)),
			"with EOF":     iotest.DataErrReader(strings.NewReader(text)),
		} {
			if diff := cmp.Diff(whole, readEvents(t, r), cmp.AllowUnexported(event{})); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
		}
	})
}
