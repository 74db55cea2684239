package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// timeLimit bounds all measurements together, and benchLimit a single bench.
const (
	timeLimit  = 34 * time.Minute
	benchLimit = 6 * time.Minute
)

// run measures the chosen benches and prints the results. It returns the exit status: 0 if every
// chosen bench could be measured, 1 if not, 2 for invalid arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "compare" {
		return runCompare(ctx, args[1:], stdout, stderr)
	}
	flags := flag.NewFlagSet("fasbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "comma-separated `NAMES` of the benches to measure: "+strings.Join(names(), ", "))
	quick := flags.Bool("quick", false, "fewer and shorter rounds: about ten minutes, and noisier")
	write := flags.String("write", "", "`FILE` to write the figures to, in Markdown")
	stock := flags.Bool("stock", false, "build the server with wazero as released, as a plain go build does")
	python := flags.String("python", "", "`PATH` of the native CPython 3.13 to compare with (default: the one that peers.sh builds)")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	chosen, err := choose(*only)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "fasbench:", err)
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	l, err := newLab(ctx, *quick, *stock, *python, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "fasbench:", err)
		return 1
	}
	defer l.close()
	results := measureAll(ctx, l, chosen)
	printTable(stdout, results)
	if *write != "" {
		if err := os.WriteFile(*write, []byte(page(l, results)), 0o644); err != nil {
			fmt.Fprintln(stderr, "fasbench:", err)
			return 1
		}
	}
	if slices.ContainsFunc(results, func(r result) bool { return r.err != nil }) {
		return 1
	}
	return 0
}

// choose returns the benches with the given comma-separated names, or all benches for an empty
// list.
func choose(only string) ([]bench, error) {
	if only == "" {
		return benches, nil
	}
	var chosen []bench
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(benches, func(b bench) bool { return b.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no bench %q; the benches are %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, benches[i])
	}
	return chosen, nil
}

// names returns the names of all benches.
func names() []string {
	var all []string
	for _, b := range benches {
		all = append(all, b.name)
	}
	return all
}

// measureAll measures one bench after the other. If a bench fails, the remaining ones are measured
// nevertheless.
func measureAll(ctx context.Context, l *lab, chosen []bench) []result {
	var results []result
	for _, b := range chosen {
		began := time.Now()
		l.say("measuring %s", b.name)
		limited, cancel := context.WithTimeout(ctx, benchLimit)
		measured, err := b.measure(limited, l)
		cancel()
		if err == nil && len(measured) != len(b.rows) {
			err = fmt.Errorf("%d figures for %d rows", len(measured), len(b.rows))
		}
		if err != nil {
			l.say("cannot measure %s: %v", b.name, err)
		}
		for i, row := range b.rows {
			r := result{bench: b.name, row: row}
			if r.err = err; err == nil {
				r.measured = measured[i]
			}
			results = append(results, r)
		}
		l.say("%s: took %.0f s", b.name, time.Since(began).Seconds())
	}
	return results
}
