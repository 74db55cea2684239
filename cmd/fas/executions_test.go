package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func TestExecutionTable(t *testing.T) {
	at := time.Date(2017, 7, 21, 15, 10, 52, 537686000, time.UTC)
	local := at.Local().Format("2006-01-02 15:04:05")
	ms := 1500.25
	list := []client.Execution{
		{ID: "a", Name: "hello", Kind: "run", Status: client.StatusSuccess, Created: client.Moment{Time: at}, DurationMS: &ms},
		{ID: "b", Name: "much-longer.py", Kind: "update", Status: client.StatusFailed, Created: client.Moment{Time: at}, Failure: &client.Failure{Code: "timeout"}},
		{ID: "c", Status: client.StatusNotFound, Failure: &client.Failure{Code: "not_found"}},
	}
	for name, tc := range map[string]struct {
		people bool
		want   string
	}{
		"people": {true, "ID  FUNCTION        KIND    STATUS    CREATED              TOOK    ERROR\n" +
			"a   hello           run     Success   " + local + "  1.50 s  \n" +
			"b   much-longer.py  update  Failed    " + local + "          timeout\n" +
			"c                           NotFound                               not_found\n"},
		"programs": {false, "a\thello\trun\tSuccess\t2017-07-21T15:10:52.537686Z\t1500.25\t\n" +
			"b\tmuch-longer.py\tupdate\tFailed\t2017-07-21T15:10:52.537686Z\t\ttimeout\n" +
			"c\t\t\tNotFound\t\t\tnot_found\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			table := executionTable(&out, tc.people)
			if err := table.Write(list); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Error(diff)
			}
			before := out.Len()
			if err := table.Write(nil); err != nil || out.Len() != before {
				t.Error("a page without executions prints something")
			}
			if err := table.Write(list[2:]); err != nil || strings.Count(out.String(), "FUNCTION") > 1 {
				t.Error("the heading is printed twice")
			}
		})
	}
}

func TestEgressIsPrinted(t *testing.T) {
	x := client.Execution{Status: client.StatusFailed, Egress: []wire.Egress{
		{Network: "tcp", Host: "api.example.com", Port: 443, Connections: 1, BytesSent: 512, BytesReceived: 10_000_000, DurationMS: "1500.250"},
		{Network: "udp", Host: "2001:db8::7", Port: 53, Connections: 2, DurationMS: "0.500"},
		{Host: "(others)", Connections: 40, BytesSent: 1, DurationMS: "x"},
		{Host: "\x1b[2Jhostile\n", Connections: 1},
	}}
	var out strings.Builder
	if err := writeExecution(&out, x, false, true); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"egress:    api.example.com:443, 1 connection of 1.50 s, 512 bytes sent, 10000000 bytes received\n",
		"egress:    udp:[2001:db8::7]:53, 2 connections of ",
		"egress:    (others), 40 connections of ",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") || strings.Contains(out.String(), "hostile\n") {
		t.Errorf("control characters are printed: %q", out.String())
	}
}

func TestExecutionID(t *testing.T) {
	if err := executionIDs([]string{"019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4", "9cfcd860-9a5d-414f-8d2b-317d59d3f486"}); err != nil {
		t.Error(err)
	}
	for _, id := range []string{
		"", "x", "../functions/hello", "019aa8f093c17d1ea1f76d1b7f3c52b4", "{019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4}",
		"urn:uuid:019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4", "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4\n",
	} {
		if err := executionIDs([]string{"019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4", id}); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestMask(t *testing.T) {
	for secret, want := range map[string]string{
		"": "", "x": "********", "twenty-three-characters": "********", "twenty-four-characters-x": "********rs-x",
	} {
		if got := mask(secret); got != want {
			t.Errorf("%q: %q, want %q", secret, got, want)
		}
	}
}
