package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

func TestWriteFunctions(t *testing.T) {
	at := time.Date(2017, 7, 21, 15, 10, 52, 537686000, time.UTC)
	local := at.Local().Format("2006-01-02 15:04:05")
	list := []client.Listed{
		{Name: "a", RunnerURL: "http://h/a", Version: 1, Updated: at},
		{Name: "much-longer.py", RunnerURL: "http://h/b", Version: 12, Updated: at},
	}
	for name, tc := range map[string]struct {
		people bool
		want   string
	}{
		"people": {true, "NAME            VERSION  UPDATED\n" +
			"a               1        " + local + "\n" +
			"much-longer.py  12       " + local + "\n"},
		"programs": {false, "a\t1\t2017-07-21T15:10:52.537686Z\thttp://h/a\n" +
			"much-longer.py\t12\t2017-07-21T15:10:52.537686Z\thttp://h/b\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := functionTable(&out, tc.people).Write(list); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
