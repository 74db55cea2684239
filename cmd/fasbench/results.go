package main

import (
	"context"
	"fmt"
	"time"
)

// resultSizes are the sizes of large results, in characters.
var resultSizes = []int{100_000, 1_000_000}

var resultsBench = bench{
	name: "results",
	how: "`wrk` with one thread and 8 connections that wait for runs that return a string of 100,000 or 1,000,000 characters, and the same function in gunicorn with 2 Flask workers, alternately. " +
		"The figure is the processor time, user and system, of the server's processes per response; that of the cheaper of gunicorn's two kinds of workers counts.",
	rows: []row{
		{
			what: "result of 100 KB, processor time / warm Flask", part: "100 KB",
			of: "faaspot", peer: "Flask", goal: "at most 1x", holds: ratioAtMost(1),
		},
		{
			what: "result of 1 MB, processor time / warm Flask", part: "1 MB",
			of: "faaspot", peer: "Flask", goal: "at most 1x", holds: ratioAtMost(1),
		},
	},
	measure: measureResults,
}

// measureResults alternates between runs with large results, and requests to the Flask app with the
// same result, and compares the processor time of the servers.
func measureResults(ctx context.Context, l *lab) ([]measured, error) {
	s, flask, err := l.besideFlask(ctx, function{Name: "text", Code: peerFile("text.py")})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	defer flask.stop()
	var rows []measured
	for _, size := range resultSizes {
		row, err := l.compareResults(ctx, s, flask, fmt.Sprintf(`{"size": %d}`, size))
		if err != nil {
			return nil, err
		}
		lines, err := l.compareResults(ctx, s, flask, fmt.Sprintf(`{"size": %d, "lines": true}`, size))
		if err != nil {
			return nil, err
		}
		row.notes = append(row.notes, fmt.Sprintf("with a line break after every 44 characters: %v, and %s of Flask's", lines.value, ratioText(lines.ratio())))
		rows = append(rows, row)
	}
	return rows, nil
}

// compareResults compares the processor time per request with the given args.
func (l *lab) compareResults(ctx context.Context, s *server, flask gunicorns, args string) (measured, error) {
	targets := []target{s.blockingTarget("text", args), flask.plain.target("/text", args), flask.threads.target("/text", args)}
	all := make([]loads, len(targets))
	for range l.rounds(3, 2) {
		for i, t := range targets {
			if err := all[i].measure(ctx, l, t, time.Second); err != nil {
				return measured{}, err
			}
		}
	}
	return measured{
		value: elapsed(all[0].cpu()), peer: elapsed(min(all[1].cpu(), all[2].cpu())), limit: all[0].usage.limit(),
		notes: []string{fmt.Sprintf("faaspot %.0f/s; gunicorn's default workers %v and %.0f/s, with 4 threads each and open connections %v and %.0f/s",
			all[0].rate(), elapsed(all[1].cpu()), all[1].rate(), elapsed(all[2].cpu()), all[2].rate())},
	}, nil
}
