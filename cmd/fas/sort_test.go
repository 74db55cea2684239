package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// Lists are sorted as a whole, though they arrive page by page; equal items keep the order of the server, and
// those without a value are last in both directions.
func TestSort(t *testing.T) {
	at := func(hour int) client.Moment {
		return client.Moment{Time: time.Date(2026, 2, 3, hour, 0, 0, 0, time.UTC)}
	}
	ms := func(n float64) *float64 { return &n }
	pages := [][]client.Execution{
		{{ID: "a", Name: "f", Created: at(4), Started: at(5), DurationMS: ms(2)}, {ID: "b", Name: "g", Created: at(3)}},
		{{ID: "c", Name: "e", Created: at(2), Started: at(9), DurationMS: ms(30)}, {ID: "d", Name: "f", Created: at(1), Started: at(3), DurationMS: ms(4)}},
	}
	for field, want := range map[string]string{
		"": "ab cd", "created": "abcd", "-created": "abcd", "+created": "dcba",
		"started": "cadb", "+started": "dacb", "duration": "cdab", "-duration": "cdab", "+duration": "adcb",
		"name": "cadb", "+name": "cadb", "-name": "badc", "status": "abcd", "attempts": "abcd",
	} {
		s := sorting[client.Execution]{orders: executionOrders, text: field}
		if err := s.check(); err != nil {
			t.Errorf("%s: %v", field, err)
		}
		var got []string
		more, err := s.each(func(page []client.Execution) error {
			ids := ""
			for _, x := range page {
				ids += x.ID
			}
			got = append(got, ids)
			return nil
		}, func(page func([]client.Execution) error) (bool, error) {
			for _, p := range pages {
				if err := page(slices.Clone(p)); err != nil {
					return false, err
				}
			}
			return true, nil
		})
		if diff := cmp.Diff(want, strings.Join(got, " ")); err != nil || !more || diff != "" {
			t.Errorf("%s: %v, %v, %s", field, more, err, diff)
		}
	}
	for _, field := range []string{"size", "-", "+size", "--created", "Created"} {
		s := sorting[client.Execution]{orders: executionOrders, text: field}
		coded, ok := errors.AsType[*runtime.Error](s.check())
		if !ok || coded.Hint != "give created, started, finished, duration, attempts, name or status; - or + before it sorts down or up" {
			t.Errorf("%s: %v", field, coded)
		}
	}
}

// An empty --sort is an error of each command that has the flag, not the order of the server.
func TestEmptySort(t *testing.T) {
	arguments := map[string]string{"fas jobs executions": "job", "fas jobs tasks": "job execution"}
	tested := 0
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			visit(c)
		}
		if cmd.Flags().Lookup("sort") == nil {
			return
		}
		tested++
		path := cmd.CommandPath()
		args := append(strings.Fields(path)[1:], strings.Fields(arguments[path])...)
		status, _, talk := fas(t, nil, append(args, "--sort", "")...)
		if status != 2 || !strings.HasPrefix(talk, "error: the --sort \"\" is not known\n") {
			t.Errorf("%s: status %d, %s", path, status, talk)
		}
	}
	visit(newRoot(&app{}))
	if tested < 9 {
		t.Errorf("%d commands", tested)
	}
}
