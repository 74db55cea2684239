package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	// defaultRounds is how many pairs of servers a comparison measures by default. Fewer than
	// minRounds have no useful interval.
	defaultRounds, minRounds = 10, 2
	// roundLimit bounds one round.
	roundLimit = 5 * time.Minute

	// The load of one measurement: some tenths of a second of a server's CPU time each.
	blockingRuns, blockingClients = 5_000, 4
	comparedBulk                  = 5_000
	largeResults, largestResults  = 1_000, 200
	deployments                   = 100
	acceptedRuns                  = 5_000
	// warmRuns is how many runs a server serves, and heldRuns how many it queues, before it is
	// measured.
	warmRuns, heldRuns = 2_000, 500

	// A server counts as idle once it has used less than settleCPU in each of settlePolls
	// successive intervals of settlePoll. settleLimit bounds the wait.
	settlePoll, settlePolls = 50 * time.Millisecond, 3
	settleCPU               = time.Millisecond
	settleLimit             = 5 * time.Second
)

// comparison measures one row: it puts load on a server, in pass 0 to 3 of a round, and returns the
// number of runs, or of deployments, that the server's CPU time is divided by.
type comparison struct {
	name string
	load func(s *server, pass int) (runs int, err error)
}

// acceptedRow is the name of the row whose runs stay queued.
const acceptedRow = "accepted runs"

// comparisons are the rows in the order in which a round measures them. The last one leaves runs
// queued behind.
var comparisons = []comparison{
	{"blocking runs", func(s *server, _ int) (int, error) {
		return s.flood(blockingClients, blockingRuns, s.runRequest("hello", helloArgs))
	}},
	{"bulk runs", func(s *server, _ int) (int, error) {
		_, _, err := s.executeBulk("hello", helloArgs, comparedBulk)
		return comparedBulk, err
	}},
	resultsRow("results of 100 KB", 100_000, largeResults, false),
	resultsRow("results of 1 MB", 1_000_000, largestResults, false),
	resultsRow("lines of 100 KB", 100_000, largeResults, true),
	resultsRow("lines of 1 MB", 1_000_000, largestResults, true),
	{"deployments", func(s *server, pass int) (int, error) {
		for i := range deployments {
			if err := s.create(function{Name: fmt.Sprintf("small%d-%d", pass, i), Code: helloCode()}); err != nil {
				return 0, err
			}
		}
		return deployments, nil
	}},
	{acceptedRow, func(s *server, _ int) (int, error) {
		return s.flood(acceptClients, acceptedRuns, s.queueRequest("held", "{}"))
	}},
}

// resultsRow returns the row of blocking runs with a result of size characters, of lines or of one
// line.
func resultsRow(name string, size, runs int, lines bool) comparison {
	return comparison{name, func(s *server, _ int) (int, error) {
		return s.flood(blockingClients, runs, s.runRequest("text", fmt.Sprintf(`{"size": %d, "lines": %t}`, size, lines)))
	}}
}

// runCompare implements "fasbench compare". It returns the exit status: 0 if the comparison was
// made, whatever its figures are, 1 if it failed, 2 for invalid arguments.
func runCompare(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("fasbench compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	base := flags.String("base", "", "`REVISION` to compare the working tree with; without it, -workers must be set")
	workers := flags.Int("workers", 0, "run functions of the working tree's server in `N` worker processes; without -base, compare with the same server without workers")
	rounds := flags.Int("rounds", defaultRounds, "`NUMBER` of rounds; each restarts both servers")
	only := flags.String("only", "", "comma-separated `ROWS` to measure, such as \"bulk runs,deployments\"; all if it is empty")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	switch {
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "fasbench: unexpected argument %q\n", flags.Arg(0))
		return 2
	case *workers < 0 || *base == "" && *workers == 0:
		fmt.Fprintln(stderr, "fasbench: set the revision to compare with, -base REVISION, or a number of worker processes, -workers N")
		return 2
	case *rounds < minRounds:
		fmt.Fprintf(stderr, "fasbench: -rounds must be at least %d\n", minRounds)
		return 2
	}
	rows, err := chosenRows(*only)
	if err != nil {
		fmt.Fprintln(stderr, "fasbench:", err)
		return 2
	}
	c, err := newComparer(ctx, *base, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "fasbench:", err)
		return 1
	}
	defer c.close()
	c.rows = rows
	if *workers > 0 {
		c.flags = []string{"--workers", strconv.Itoa(*workers)}
	}
	for round := range *rounds {
		c.change.say("round %d of %d", round+1, *rounds)
		limited, cancel := context.WithTimeout(ctx, roundLimit)
		err := c.round(limited, round)
		cancel()
		if err != nil {
			fmt.Fprintf(stderr, "fasbench: round %d: %v\n", round+1, err)
			return 1
		}
	}
	c.print(stdout, *rounds)
	if c.failed {
		return 1
	}
	return 0
}

// chosenRows returns the rows with the names, or all if there are none.
func chosenRows(names string) ([]comparison, error) {
	if names == "" {
		return comparisons, nil
	}
	var rows []comparison
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(comparisons, func(c comparison) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q", name)
		}
		rows = append(rows, comparisons[i])
	}
	return rows, nil
}

// comparer compares the servers built from two source trees.
type comparer struct {
	base, change *lab
	rows         []comparison
	flags        []string                      // of the change's servers
	against      string                        // what the base is, for people
	repository   string                        // folder of the working tree
	worktree     string                        // folder of the base's source tree; empty: it is the working tree
	samples      [2]map[string][]time.Duration // of the base and the change: CPU time per run, by row
	problems     map[string]error              // by row; nil if the row could be measured so far
	failed       bool                          // the working tree could not be measured
}

// newComparer checks the base revision out, if there is one, and builds both servers.
func newComparer(ctx context.Context, revision string, stderr io.Writer) (_ *comparer, err error) {
	c := &comparer{problems: map[string]error{}}
	for i := range c.samples {
		c.samples[i] = map[string][]time.Duration{}
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.repository, err = findRepository(ctx); err != nil {
		return nil, err
	}
	if c.change, err = openLab(ctx, c.repository, false, stderr); err != nil {
		return nil, fmt.Errorf("building the working tree: %w", err)
	}
	from := c.repository
	c.against = "itself without worker processes"
	if revision != "" {
		if err := c.checkOut(ctx, revision); err != nil {
			return nil, err
		}
		from = c.worktree
	}
	c.change.say("building %s", c.against)
	if c.base, err = openLab(ctx, from, false, stderr); err != nil {
		return nil, fmt.Errorf("building %s: %w", c.against, err)
	}
	return c, nil
}

// checkOut checks the base revision out, and says which it is.
func (c *comparer) checkOut(ctx context.Context, revision string) error {
	commit, err := output(ctx, c.repository, "git", "rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return err
	}
	full := strings.TrimSpace(string(commit))
	c.against = fmt.Sprintf("%.12s", full)
	cache := filepath.Join(c.repository, ".cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	if c.worktree, err = os.MkdirTemp(cache, "base-"); err != nil {
		return err
	}
	_, err = output(ctx, c.repository, "git", "worktree", "add", "--detach", c.worktree, full)
	return err
}

// close removes the base's source tree and all temporary files.
func (c *comparer) close() {
	for _, l := range []*lab{c.base, c.change} {
		if l != nil {
			l.close()
		}
	}
	if c.worktree == "" {
		return
	}
	// The context may have been cancelled; the worktree is removed nevertheless.
	_, err := output(context.Background(), c.repository, "git", "worktree", "remove", "--force", c.worktree)
	if err != nil {
		_ = os.RemoveAll(c.worktree)
		_, _ = output(context.Background(), c.repository, "git", "worktree", "prune")
	}
}

// round starts a server of each side on an empty data folder, measures all rows and stops them. New
// processes every round make the interval cover what differs from one process to the next, such as
// the layout of memory. Each row puts load on the servers in the order A B B A, which cancels a
// steady drift of the machine; the base is A in even rounds, and B in odd ones.
func (c *comparer) round(ctx context.Context, round int) error {
	var servers [2]*server
	defer func() {
		for _, s := range servers {
			if s != nil {
				s.kill()
			}
		}
	}()
	first, second := round%2, 1-round%2
	for _, side := range []int{first, second} {
		l := [2]*lab{c.base, c.change}[side]
		data, err := l.compiledData(ctx)
		if err != nil {
			return err
		}
		defer os.RemoveAll(data)
		if servers[side], err = l.serveIn(ctx, data, [2][]string{nil, c.flags}[side]...); err != nil {
			return err
		}
		if err := servers[side].warm(); err != nil {
			return err
		}
	}
	for _, row := range c.rows {
		if c.problems[row.name] != nil {
			continue
		}
		var used [2]time.Duration
		for pass, side := range []int{first, second, second, first} {
			cpu, err := servers[side].cpuPerRun(ctx, row, pass)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				c.fail(row, side, err)
				break
			}
			used[side] += cpu / 2
		}
		for side := range used {
			c.samples[side][row.name] = append(c.samples[side][row.name], used[side])
		}
	}
	return nil
}

// fail records that a row cannot be measured. A base that lacks what the row needs is no failure of
// the comparison; a working tree that does is.
func (c *comparer) fail(row comparison, side int, err error) {
	c.problems[row.name] = fmt.Errorf("%s: %w", [2]string{"base", "change"}[side], err)
	c.failed = c.failed || side == 1
	c.change.say("cannot measure %s: %v", row.name, c.problems[row.name])
}

// print writes the table and how to read it.
func (c *comparer) print(w io.Writer, rounds int) {
	fmt.Fprintf(w, "Server CPU time per run, user and system: working tree against %s.\n%s. %d rounds.\n\n", c.against, machine(), rounds)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "row\tbase\tchange\tratio\t95 % interval\t")
	for _, row := range c.rows {
		if c.problems[row.name] != nil {
			fmt.Fprintf(table, "%s\tnot measured, see above\n", row.name)
			continue
		}
		base, change := c.samples[0][row.name], c.samples[1][row.name]
		r := pairedRatio(base, change)
		verdict := ""
		if r.low > 1 || r.high < 1 {
			verdict = "differs"
		}
		fmt.Fprintf(table, "%s\t%v\t%v\t%.3f\t%.3f to %.3f\t%s\n", row.name,
			elapsed(geometricMean(base)), elapsed(geometricMean(change)), r.ratio, r.low, r.high, verdict)
	}
	_ = table.Flush() // w is the terminal
	fmt.Fprintf(w, `
How to read it: a ratio below 1 means that the working tree takes less CPU time than the base. If the
interval includes 1, the rounds do not show a difference. Each interval misses the true ratio one time
in twenty: before relying on a row that differs by little, measure again with more rounds.

Times and ratios are geometric means over the rounds; the interval is that of Student's t distribution
on the logarithms of the rounds' ratios. Each round starts both servers on empty data folders and puts
load on one at a time, in the order A B B A with the base as A in even rounds and as B in odd ones.
Times include what a server does after its last response until it is idle again. One load is
  blocking runs  %d runs of a trivial function over HTTP, %d clients on open connections
  bulk runs      one request for %d background runs of it, until all are done
  results        %d runs with a result of 100 KB, %d of 1 MB, %d clients; lines: with line breaks
  deployments    %d new functions, one after the other
  accepted runs  %d background runs accepted and stored, %d clients; they stay queued
`, blockingRuns, blockingClients, comparedBulk, largeResults, largestResults, blockingClients, deployments, acceptedRuns, acceptClients)
}

// warm deploys the functions and serves some runs of each kind, so that what a server does only
// once is not measured.
func (s *server) warm() error {
	for _, f := range []function{{Name: "hello", Code: helloCode()}, {Name: "text", Code: peerFile("text.py")}} {
		if err := s.create(f); err != nil {
			return err
		}
	}
	_, err := s.flood(blockingClients, warmRuns, s.runRequest("hello", helloArgs))
	return err
}

// cpuPerRun puts the load of a row on the server and returns the CPU time per run.
func (s *server) cpuPerRun(ctx context.Context, row comparison, pass int) (time.Duration, error) {
	if row.name == acceptedRow && pass < 2 {
		// As many held runs start as memory allows; only accepting is measured then.
		if err := s.create(heldFunction()); err != nil {
			return 0, err
		}
		if _, err := s.flood(acceptClients, heldRuns, s.queueRequest("held", "{}")); err != nil {
			return 0, err
		}
	}
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	before, err := s.cpuTime()
	if err != nil {
		return 0, err
	}
	runs, err := row.load(s, pass)
	if err != nil {
		return 0, err
	}
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	after, err := s.cpuTime()
	return (after - before) / time.Duration(runs), err
}

// settle waits until the server is idle, at most settleLimit.
func (s *server) settle(ctx context.Context) error {
	last, err := s.cpuTime()
	if err != nil {
		return err
	}
	idle := 0
	for end := time.Now().Add(settleLimit); idle < settlePolls && time.Now().Before(end); {
		select {
		case <-time.After(settlePoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now, err := s.cpuTime()
		if err != nil {
			return err
		}
		if now-last < settleCPU {
			idle++
		} else {
			idle = 0
		}
		last = now
	}
	return nil
}

// flood sends a request n times, from several clients at once that each keep a connection open,
// and returns n. All responses must report success.
func (s *server) flood(clients, n int, request []byte) (int, error) {
	errs := make([]error, clients)
	var wait sync.WaitGroup
	for i := range clients {
		share := n / clients
		if i < n%clients {
			share++
		}
		wait.Go(func() {
			c := newClient(s.address)
			defer c.close()
			for range share {
				if _, errs[i] = c.succeed(request); errs[i] != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err // the clients fail for the same reason
		}
	}
	return n, nil
}
