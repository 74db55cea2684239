package runargs

import (
	"bytes"
	"context"
	"iter"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// maxFile is the largest size of a file with args, in bytes. The whole file is held in memory, so
// that a mistake in any line is reported before the first run is accepted.
const maxFile = 1024 * runtime.MiB

// ParseEntries returns the args of one run for each value of -p.
func ParseEntries(entries []string) ([][]byte, error) {
	all := make([][]byte, len(entries))
	for i, entry := range entries {
		list, err := ParseParameters([]string{entry})
		if err != nil {
			return nil, err
		}
		if all[i], err = Build(nil, list); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ReadLines reads the args of one run from each non-blank line of a file.
func ReadLines(ctx context.Context, t *ui.Terminal, file string) ([][]byte, error) {
	data, err := t.ReadFile(ctx, file, "args", maxFile)
	if err != nil {
		return nil, err
	}
	return parseLines(data, sourceName(file))
}

// sourceName returns the name of a file in errors.
func sourceName(file string) string {
	if file == "-" {
		return "the standard input"
	}
	return file
}

// parseLines returns the non-blank lines, each a JSON object. Errors name the file.
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
				WithHint("the args of a run are limited to " + ui.SizeText(runtime.MaxArgs))
		}
		if err := strictjson.Check(line, strictjson.Options{Object: true}); err != nil {
			hint := `each line is a JSON object, such as {"name": "you", "times": 3}`
			if line[0] == '[' {
				hint += "; `jq -c '.[]' FILE` writes the elements of an array like that"
			}
			return nil, clierror.Usagef(hint, "line %d of %s is not a JSON object: %v", number, file, err)
		}
		all = append(all, line)
	}
	return all, nil
}

// Chunks divides runs into numbered chunks of up to most runs whose JSON array has up to mostBytes.
// The same runs are always divided in the same way. A run that is larger than mostBytes is a chunk
// of its own.
func Chunks(runs [][]byte, most, mostBytes int) iter.Seq2[int, [][]byte] {
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
