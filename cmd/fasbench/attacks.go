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
