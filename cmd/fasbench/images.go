package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// fewImages and manyImages are the numbers of functions with images of imageMB.
	fewImages, manyImages = 10, 200
	imageMB               = 6
	// largeImageMB is the size of the image of a single function.
	largeImageMB = 22
)

// imageCode returns the source of a function whose image takes about the given number of MB: text,
// and one MB of strings, of which a run uses one.
func imageCode(number, megabytes int) string {
	return fmt.Sprintf(`NUMBER = %d
TEXT = bytes(range(1, 256)) * ((%d << 20) // 255)
ROWS = [f"row {i} of {NUMBER}: {i * i}" for i in range(16_000)]


def main(args, context):
    row = len(args["name"]) * 1_009 %% len(ROWS)
    return {"output": ROWS[row], "byte": TEXT[row]}
`, number, megabytes-1)
}

var switchBench = bench{
	name: "switch",
	how: "`wrk` with one thread and 8 connections that wait for runs of 1,000 trivial functions at random, and of one of them, alternately. Each function has run once before. " +
		"Medians of all repetitions.",
	rows: []row{{
		what: "1,000 functions at random, runs per second / one function",
		of:   "1,000", peer: "one", goal: "at least 0.5x", holds: ratioAtLeast(0.5),
	}},
	measure: measureSwitch,
}

// measureSwitch alternates between runs of many trivial functions at random and of one of them.
func measureSwitch(ctx context.Context, l *lab) ([]measured, error) {
	m, err := l.compareRandom(ctx, manyFunctions, 1, func(i int) function {
		return function{Name: fmt.Sprintf("f%d", i), Code: fmt.Sprintf("number = %d\n\n\n%s", i, helloCode())}
	})
	return []measured{m}, err
}

var imagesBench = bench{
	name: "images",
	how: "The same with 200 functions whose modules hold 6 MB, and 10 of them; a run uses one string of 16,000. And one client on one connection that calls a function whose module holds " +
		"22 MB, and the trivial function, alternately; medians of the medians of each repetition.",
	rows: []row{
		{
			what: "200 functions with 6 MB images at random, runs per second / 10 such functions", part: "many",
			of: "200", peer: "10", goal: "at least 0.3x", holds: ratioAtLeast(0.3),
		},
		{
			what: "a function with a 22 MB image of its own, blocking run, each pristine / trivial", part: "large",
			of: "22 MB", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
		},
	},
	measure: measureImages,
}

// measureImages alternates between runs of many functions with images at random and of few of them,
// and between runs of a function with a large image and trivial runs.
func measureImages(ctx context.Context, l *lab) ([]measured, error) {
	many, err := l.compareRandom(ctx, manyImages, fewImages, func(i int) function {
		return function{Name: fmt.Sprintf("f%d", i), Code: imageCode(i, imageMB)}
	})
	if err != nil {
		return nil, err
	}
	large, err := l.compareLargeImage(ctx)
	return []measured{many, large}, err
}

// compareRandom deploys many functions, runs each of them once, and then alternates between wrk on
// all of them at random and on the first few.
func (l *lab) compareRandom(ctx context.Context, many, few int, make func(i int) function) (measured, error) {
	if err := need("wrk"); err != nil {
		return measured{}, err
	}
	s, err := l.serve(ctx)
	if err != nil {
		return measured{}, err
	}
	defer s.stop()
	for i := range many {
		f := make(i)
		if err := s.create(f); err != nil {
			return measured{}, err
		}
		if _, err := s.succeed(s.runRequest(f.Name, helloArgs)); err != nil {
			return measured{}, err
		}
		if ctx.Err() != nil {
			return measured{}, context.Cause(ctx)
		}
	}
	all := s.blockingTarget("f"+numberInURL, helloArgs)
	all.functions = many
	first := all
	first.functions = few
	length := time.Duration(l.rounds(2, 1)) * time.Second
	var ofAll, ofFirst loads
	for range l.rounds(5, 3) {
		if err := ofAll.measure(ctx, l, all, length); err != nil {
			return measured{}, err
		}
		if err := ofFirst.measure(ctx, l, first, length); err != nil {
			return measured{}, err
		}
	}
	resident, err := s.memory()
	return measured{
		value: quantity{ofAll.rate(), perSecond}, peer: quantity{ofFirst.rate(), perSecond}, limit: ofAll.usage.limit(),
		notes: []string{
			fmt.Sprintf("what limits runs of %d: %s", few, ofFirst.usage.limit()),
			fmt.Sprintf("processor time of the server per run: %v, and %v of %d; resident %.0f MB", elapsed(ofAll.cpu()), elapsed(ofFirst.cpu()), few, resident.total()/mb),
		},
	}, err
}

// compareLargeImage alternates between one client of a function with a large image and one of the
// trivial function.
func (l *lab) compareLargeImage(ctx context.Context) (measured, error) {
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()}, function{Name: "large", Code: imageCode(0, largeImageMB)})
	if err != nil {
		return measured{}, err
	}
	defer s.stop()
	return l.compareWithTrivial(ctx, s, "large", helloArgs)
}

// compareWithTrivial alternates between one client of a function, with the given args, and one of the
// trivial function, called hello.
func (l *lab) compareWithTrivial(ctx context.Context, s *server, name, args string) (measured, error) {
	length := time.Duration(l.rounds(1000, 300)) * time.Millisecond
	var medians [2][]time.Duration
	var cpu [2]time.Duration
	var runs [2]int
	var used usage
	for range l.rounds(5, 3) {
		for i, request := range [][]byte{s.runRequest(name, args), s.runRequest("hello", helloArgs)} {
			var times []time.Duration
			more, err := s.observe(1, func() (err error) {
				times, err = s.repeat(ctx, request, length)
				return err
			})
			if err != nil {
				return measured{}, err
			}
			medians[i] = append(medians[i], median(times))
			cpu[i] += more.server
			runs[i] += len(times)
			if i == 0 {
				used = used.add(more)
			}
		}
	}
	return measured{
		value: elapsed(median(medians[0])), peer: elapsed(median(medians[1])), limit: used.limit(),
		notes: []string{fmt.Sprintf("processor time of the server per run: %v, trivial %v", elapsed(cpu[0]/time.Duration(runs[0])), elapsed(cpu[1]/time.Duration(runs[1])))},
	}, nil
}
