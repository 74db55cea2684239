package main

import (
	"bytes"
	"context"
	"iter"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// maxBulkFile is how many bytes the args of all runs of one command may have.
// They are held in memory, so that a line that is wrong is told before any run
// is accepted.
const maxBulkFile = 1024 * runtime.MiB

// parseBulk makes the args of one run of each value of -p.
func parseBulk(entries []string) ([][]byte, error) {
	all := make([][]byte, len(entries))
	for i, entry := range entries {
		list, err := parseParameters([]string{entry})
		if err != nil {
			return nil, err
		}
		if all[i], err = buildArgs(nil, list); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readBulk reads the args of one run of each line of a file that is not blank.
func (a *app) readBulk(ctx context.Context, file string) ([][]byte, error) {
	data, err := a.ReadFile(ctx, file, "args", maxBulkFile)
	if err != nil {
		return nil, err
	}
	return parseLines(data, sourceName(file))
}

// sourceName is what errors call a file.
func sourceName(file string) string {
	if file == "-" {
		return "the standard input"
	}
	return file
}

// parseLines gives the lines that are not blank, each a JSON object. What they are of
// is for errors.
func parseLines(data []byte, file string) ([][]byte, error) {
	var all [][]byte
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(line) > runtime.MaxArgs {
			return nil, runtime.Errorf(runtime.CodeTooLarge, "line %d of %s is too large", number, file).
				WithHint("the args of a run may have up to " + ui.SizeText(runtime.MaxArgs))
		}
		if err := strictjson.Check(line, strictjson.Options{Object: true}); err != nil {
			return nil, clierror.Usagef(`each line is a JSON object, such as {"name": "you", "times": 3}`,
				"line %d of %s is not a JSON object: %v", number, file, err)
		}
		all = append(all, line)
	}
	return all, nil
}

// bulkParts cuts runs into numbered parts of up to most runs, whose JSON array
// has up to mostBytes. The same runs are always cut in the same way.
func bulkParts(runs [][]byte, most, mostBytes int) iter.Seq2[int, [][]byte] {
	return func(yield func(int, [][]byte) bool) {
		for n := 0; len(runs) > 0; n++ {
			count, size := 0, len("[]")
			for count < min(len(runs), most) {
				size += len(runs[count]) + len(",")
				if count > 0 && size > mostBytes {
					break
				}
				count++
			}
			if !yield(n, runs[:count]) {
				return
			}
			runs = runs[count:]
		}
	}
}
