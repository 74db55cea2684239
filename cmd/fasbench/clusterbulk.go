package main

import (
	"context"
	"fmt"
	"time"
)

var clusterBulkBench = bench{
	name: "clusterbulk",
	how: "One request for 10,000 runs of the trivial function, from sending it until all runs are finished, to a server alone and to the owner of a cluster, alternately; " +
		"servers, nodes and processor times as in `clusteraccept`. A run is accepted, started and ended in three records that it shares with many others. The nodes that follow are drained: they apply these records and run nothing.",
	rows: []row{
		onLogRow("bulk of 10,000 trivial runs: processor time of the server per run", "server"),
		logRow("bulk of 10,000 trivial runs, per run", "log"),
		{
			what: "bulk of 10,000 trivial runs: processor time of a node that follows, per run that has ended", part: "follower",
			of: "per end", goal: "at most 10 µs", holds: timeAtMost(10 * time.Microsecond),
			limit: "one processor: keeping the keys in order, and writing them to tables",
		},
		{
			what: "bulk of 10,000 trivial runs, per second: on the log, all processes on one machine / a server alone", part: "rate",
			of: "on the log", peer: "alone", limit: "the processors, which the seven servers share",
		},
	},
	measure: measureClusterBulk,
}

// measureClusterBulk alternates between bulks on a server alone and on the owner of a cluster.
func measureClusterBulk(ctx context.Context, l *lab) ([]measured, error) {
	c, s, err := l.besideCluster(ctx, function{Name: "hello", Code: helloCode()}, clusterBudget...)
	if err != nil {
		return nil, err
	}
	defer c.killWhole()
	defer s.kill()
	var onLog, alone bulks
	var cost clusterCost
	var aloneTime time.Duration
	rounds := l.rounds(9, 3)
	for i := range 1 + rounds {
		if i == 1 { // the first round has made interpreters
			onLog, alone, cost, aloneTime = bulks{}, bulks{}, clusterCost{}, 0
		}
		used, err := spent(func() error { return alone.measure(s, "hello", helloArgs) }, []*process{s.process})
		if err != nil {
			return nil, err
		}
		aloneTime += used[0]
		err = cost.add(c, func() (int, error) { return bulkRuns, onLog.measure(c.nodes[0], "hello", helloArgs) })
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return []measured{
		{value: elapsed(cost.per(cost.owner)), peer: elapsed(aloneTime / time.Duration(rounds*bulkRuns))},
		{value: elapsed(cost.per(cost.log))},
		{value: elapsed(cost.per(cost.followers) / (clusterNodes - 1))},
		{
			value: quantity{onLog.rate(), perSecond}, peer: quantity{alone.rate(), perSecond}, limit: cost.limit(onLog.usage),
			notes: []string{
				"what limits the server alone: " + alone.usage.limit(),
				fmt.Sprintf("the response with the ids took %v, and %v of the server alone", elapsed(median(onLog.answered)), elapsed(median(alone.answered))),
			},
		},
	}, nil
}
