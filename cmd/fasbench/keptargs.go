package main

import (
	"context"
	"fmt"
	"time"
)

// keptArgsRuns is the number of runs of one function in a row: fewer are measured too coarsely, and during more the
// machine changes.
const keptArgsRuns = 1_000

var keptArgsBench = bench{
	name: "keptargs",
	how: "Processor time of the server per blocking run of the trivial function, deployed once with its args kept and once without, by turns in the order A B B A on one server, " +
		"1,000 runs each. The ratio is the mean of all turns, which differ less than servers do. Figures for Prometheus cannot be switched off: they are compared " +
		"with a build that counts nothing, in the same way, and have no row.",
	rows: []row{{
		what: "processor time of a blocking run with args that are kept / without",
		of:   "kept", peer: "not kept", goal: "at most 1.03x", holds: ratioAtMost(1.03),
		limit: "writing the args with the run's record",
	}},
	measure: measureKeptArgs,
}

// measureKeptArgs measures what keeping the args of runs costs.
func measureKeptArgs(ctx context.Context, l *lab) ([]measured, error) {
	no := false
	s, err := l.serve(ctx, function{Name: "kept", Code: helloCode()}, function{Name: "dropped", Code: helloCode(), KeepArgs: &no})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	run := func(name string) comparison {
		return comparison{"blocking runs", func(s *server, _ int) (int, error) {
			return s.flood(blockingClients, keptArgsRuns, s.runRequest(name, helloArgs))
		}}
	}
	sides := [2]comparison{run("dropped"), run("kept")}
	for _, side := range sides {
		if _, err := side.load(s, 0); err != nil { // warms it up
			return nil, err
		}
	}
	var used [2][]time.Duration
	for round := range l.rounds(100, 10) {
		var sums [2]time.Duration
		first, second := round%2, 1-round%2
		for pass, side := range []int{first, second, second, first} {
			cpu, err := s.cpuPerRun(ctx, sides[side], pass)
			if err != nil {
				return nil, err
			}
			sums[side] += cpu / 2
		}
		for side := range used {
			used[side] = append(used[side], sums[side])
		}
	}
	r := pairedRatio(used[0], used[1])
	return []measured{{
		value: elapsed(geometricMean(used[1])), peer: elapsed(geometricMean(used[0])),
		notes: []string{fmt.Sprintf("%d rounds, 95 %% interval of the ratio %.3f to %.3f", len(used[0]), r.low, r.high)},
	}}, nil
}
