package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	budget "github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/test/attack"
)

// attackedBudget is the memory budget of the server under attack, in MiB.
const attackedBudget = 400

var attacksBench = bench{
	name: "attacks",
	how: "A server with `--memory-budget 400MB`, and all attacks of `test/attack` on it at once. The figure is the largest sample of its resident memory " +
		"(`RssAnon` every 30 ms, `Pss` every 300 ms).",
	rows: []row{{
		what: "resident memory under all attacks at once / budget of 400 MB and the stated overhead of 300 MB",
		of:   "the most", peer: "allowed", goal: "at most 1x", holds: ratioAtMost(1),
		limit: "the budget",
	}},
	measure: measureAttacks,
}

// measureAttacks measures the resident memory of a server while all attacks run at once.
func measureAttacks(ctx context.Context, l *lab) ([]measured, error) {
	data, err := l.compiledData(ctx)
	if err != nil {
		return nil, err
	}
	s, err := l.serveIn(ctx, data, "--memory-budget", fmt.Sprintf("%dMB", attackedBudget))
	if err != nil {
		return nil, err
	}
	defer s.stop()
	limited, stop := context.WithTimeout(ctx, time.Duration(l.rounds(60, 15))*time.Second)
	defer stop()
	target := attack.Target{Base: "http://" + s.address, Token: s.token}
	attacks := attack.All()
	failed := make([]error, len(attacks))
	var all sync.WaitGroup
	for i, a := range attacks {
		all.Go(func() { failed[i] = a.Run(limited, target) })
	}
	peak := attack.Peak(limited, s.cmd.Process.Pid)
	all.Wait()
	for i, err := range failed {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", attacks[i].Name, err)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return []measured{{
		value: quantity{float64(peak), inBytes}, peer: quantity{attackedBudget*mb + budget.Overhead, inBytes},
		notes: []string{fmt.Sprintf("%d attacks at once", len(attacks))},
	}}, nil
}
