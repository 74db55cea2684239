package main

import (
	"bytes"
	"fmt"
	"strings"
)

// apply applies a patch, in the format of git diff, to files. It is strict: each hunk must fit
// exactly, at the line that it names. A patch can change text files and nothing else.
func apply(files map[string][]byte, patch []byte) error {
	lines := strings.SplitAfter(string(patch), "\n")
	for i := 0; i < len(lines) && lines[i] != ""; {
		if !strings.HasPrefix(lines[i], "--- a/") { // "diff --git" and "index" lines, or a comment
			i++
			continue
		}
		name := strings.TrimSpace(strings.TrimPrefix(lines[i], "--- a/"))
		content, ok := files[name]
		if !ok {
			return fmt.Errorf("line %d: there is no file %s", i+1, name)
		}
		if i++; i == len(lines) || strings.TrimSpace(lines[i]) != "+++ b/"+name {
			return fmt.Errorf("line %d: want +++ b/%s", i+1, name)
		}
		i++
		old := bytes.SplitAfter(content, []byte("\n"))
		var changed []byte
		done := 0 // number of lines of old that are in changed or removed
		for i < len(lines) && strings.HasPrefix(lines[i], "@@ ") {
			var from, fromCount, to, toCount int
			if _, err := fmt.Sscanf(lines[i], "@@ -%d,%d +%d,%d @@", &from, &fromCount, &to, &toCount); err != nil {
				return fmt.Errorf("line %d: %q: %w", i+1, lines[i], err)
			}
			if from--; from < done || from > len(old) {
				return fmt.Errorf("line %d: the hunk begins at line %d of %s", i+1, from+1, name)
			}
			changed = append(changed, bytes.Join(old[done:from], nil)...)
			done = from
			for i++; fromCount > 0 || toCount > 0; i++ {
				if i >= len(lines) || lines[i] == "" {
					return fmt.Errorf("the patch ends within a hunk of %s", name)
				}
				kind, text := lines[i][0], lines[i][1:]
				if kind == '\n' { // an empty line of context without its blank
					kind, text = ' ', "\n"
				}
				if kind == ' ' || kind == '-' {
					if done == len(old) || string(old[done]) != text {
						return fmt.Errorf("line %d: does not match line %d of %s", i+1, done+1, name)
					}
					done++
					fromCount--
				}
				switch kind {
				case ' ', '+':
					changed = append(changed, text...)
					toCount--
				case '-':
				default:
					return fmt.Errorf("line %d: a line of a hunk begins with %q", i+1, kind)
				}
			}
			if fromCount < 0 || toCount < 0 {
				return fmt.Errorf("line %d: the hunk is longer than it says", i+1)
			}
		}
		files[name] = append(changed, bytes.Join(old[done:], nil)...)
	}
	return nil
}
