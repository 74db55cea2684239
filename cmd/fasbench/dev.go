package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measureDev starts `fas dev` with a file, and saves changes of the file.
func measureDev(ctx context.Context, l *lab) ([]measured, error) {
	data, err := l.compiledData(ctx)
	if err != nil {
		return nil, err
	}
	home, err := l.newFolder("home")
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(home, ".faaspot"), 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(data, filepath.Join(home, ".faaspot", "data")); err != nil {
		return nil, err
	}
	var starts, saves []time.Duration
	for range l.rounds(5, 2) {
		started, saved, err := l.devSession(ctx, home, l.rounds(20, 5))
		if err != nil {
			return nil, err
		}
		starts, saves = append(starts, started), append(saves, saved...)
	}
	return []measured{
		{value: elapsed(median(starts))},
		{value: elapsed(median(saves)), notes: []string{fmt.Sprintf("%d changes; p90 %v", len(saves), elapsed(percentile(saves, 0.9)))}},
	}, nil
}

// devSession returns the time from the start of `fas dev` to its first result, and those from saving a change to the
// result of the changed code.
func (l *lab) devSession(ctx context.Context, home string, changes int) (started time.Duration, saved []time.Duration, err error) {
	dir, err := l.newFolder("dev")
	if err != nil {
		return 0, nil, err
	}
	save := func(n int) error {
		code := fmt.Sprintf("def main(args, context):\n    return \"result %d\"\n", n)
		return os.WriteFile(filepath.Join(dir, "hello.py"), []byte(code), 0o644)
	}
	if err := save(0); err != nil {
		return 0, nil, err
	}
	began := time.Now()
	p, err := l.start(ctx, dir, []string{"HOME=" + home}, l.fas, "dev", "hello.py", "--json")
	if err != nil {
		return 0, nil, err
	}
	defer p.stop()
	result := func(n int) error {
		want := fmt.Appendf(nil, "\"output\":\"result %d\"", n)
		return p.await(ctx, func() error {
			if shown, err := os.ReadFile(p.log); err != nil || !bytes.Contains(shown, want) {
				return fmt.Errorf("no result %d yet", n)
			}
			return nil
		})
	}
	if err := result(0); err != nil {
		return 0, nil, err
	}
	started = time.Since(began)
	for n := 1; n <= changes; n++ {
		began := time.Now()
		if err := save(n); err != nil {
			return 0, nil, err
		}
		if err := result(n); err != nil {
			return 0, nil, err
		}
		saved = append(saved, time.Since(began))
	}
	return started, saved, nil
}

// devBench measures `fas dev`.
var devBench = bench{
	name: "dev",
	how: "`fas dev hello.py` with the compiled guest present. Start: from the start of the command to the result of its first run. Save: from writing a changed file, " +
		"100 times, to the result of the changed code, of which 50 ms are the time for which files must be left alone. Medians.",
	rows: []row{
		{what: "`fas dev`: start to the first result", part: "start", of: "median", goal: "under 1 s", holds: timeAtMost(time.Second), limit: "one processor: loading the compiled guest"},
		{what: "`fas dev`: save to result", part: "save", of: "median", goal: "under 100 ms", holds: timeAtMost(100 * time.Millisecond), limit: "50 ms until the files count as left alone"},
	},
	measure: measureDev,
}
