package cpython

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// Selection is a line of modules.txt.
type Selection struct {
	Name    string // below `test`
	Section string // key of a section of the document
	Slow    bool   // the module runs only with -all
	Omitted string // why the module is not run at all, empty if it is
}

// ReadModules reads modules.txt. A line that begins with `[` starts a section; every other line is
// the name of a module, which `slow` or `omitted: REASON` may follow.
func ReadModules(path string) (all []Selection, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := ""
	seen := map[string]bool{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#':
			continue
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		s := Selection{Name: name, Section: section}
		switch rest = strings.TrimSpace(rest); {
		case rest == "":
		case rest == "slow":
			s.Slow = true
		case strings.HasPrefix(rest, "omitted: "):
			s.Omitted = strings.TrimPrefix(rest, "omitted: ")
		default:
			return nil, fmt.Errorf("%s:%d: %q is neither `slow` nor `omitted: REASON`", path, n, rest)
		}
		if seen[name] {
			return nil, fmt.Errorf("%s:%d: %s occurs twice", path, n, name)
		}
		seen[name] = true
		all = append(all, s)
	}
	return all, lines.Err()
}
