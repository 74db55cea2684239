package main

import (
	"context"
	"fmt"
	"strconv"
)

// gathered is the number of slow requests that a run sends at once.
const gathered = 10

// measureGather alternates between runs that send several slow requests at once, and runs that send one.
func measureGather(ctx context.Context, l *lab) ([]measured, error) {
	site, err := newWebsite()
	if err != nil {
		return nil, err
	}
	defer site.close()
	s, err := l.serveLocal(ctx, function{Name: "gather", Code: peerFile("gather.py"), Allow: site.allow()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var times [2][]float64 // seconds
	for range l.rounds(7, 3) {
		for i, n := range []int{gathered, 1} {
			args, err := addressArgs(site.plain.Addr(), "/slow", n)
			if err != nil {
				return nil, err
			}
			text, err := s.succeed(s.runRequest("gather", args))
			if err != nil {
				return nil, err
			}
			seconds, err := strconv.ParseFloat(string(text), 64)
			if err != nil {
				return nil, fmt.Errorf("the result is %q: %w", tail(text), err)
			}
			times[i] = append(times[i], seconds)
		}
	}
	return []measured{{value: quantity{median(times[0]), inSeconds}, peer: quantity{median(times[1]), inSeconds}}}, nil
}
