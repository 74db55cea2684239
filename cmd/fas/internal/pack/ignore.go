package pack

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// ignoreFile is the file of a folder that names what is left out of the bundle.
const ignoreFile = ".faasignore"

// usual is what is left out of every folder, as rules that come before those of its ignoreFile.
//
//go:embed usual.faasignore
var usual string

// ignore is a list of rules as in a .gitignore file. The last one that matches a path decides.
type ignore []rule

// rule is one line of such a file.
type rule struct {
	path     *regexp.Regexp // of the whole path
	included bool           // what matches is in the bundle after all
	folders  bool           // matches folders only
}

// parseIgnore returns the rules of a file.
func parseIgnore(name, text string) (ignore, error) {
	var rules ignore
	for i, line := range strings.Split(text, "\n") {
		r, ok, err := parseRule(strings.TrimSuffix(line, "\r"))
		if err != nil {
			return nil, fmt.Errorf("line %d of %s is not a pattern: %s", i+1, name, line)
		}
		if ok {
			rules = append(rules, r)
		}
	}
	return rules, nil
}

// has reports whether a path, whose folder is not left out, is left out.
func (g ignore) has(path string, folder bool) bool {
	for i := len(g) - 1; i >= 0; i-- {
		if (folder || !g[i].folders) && g[i].path.MatchString(path) {
			return !g[i].included
		}
	}
	return false
}

// parseRule returns the rule of a line; not ok if it is empty or a comment.
func parseRule(line string) (r rule, ok bool, err error) {
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	if line == "" || line[0] == '#' {
		return r, false, nil
	}
	line, r.included = strings.CutPrefix(line, "!")
	line, r.folders = strings.CutSuffix(line, "/")
	if line == "" {
		return r, false, nil
	}
	var out strings.Builder
	out.WriteString(`(?s)\A`)
	if !strings.Contains(line, "/") {
		out.WriteString(`(?:.*/)?`) // a name matches in every folder, a path only from the root on
	}
	line = strings.TrimPrefix(line, "/")
	for start := true; line != ""; start = false {
		switch {
		case start && strings.HasPrefix(line, "**/"):
			out.WriteString(`(?:.*/)?`)
			line = line[3:]
		case line == "/**":
			out.WriteString(`/.+`)
			line = ""
		case strings.HasPrefix(line, "/**/"):
			out.WriteString(`/(?:.*/)?`)
			line = line[4:]
		case line[0] == '*':
			out.WriteString(`[^/]*`)
			line = strings.TrimLeft(line, "*")
		case line[0] == '?':
			out.WriteString(`[^/]`)
			line = line[1:]
		case line[0] == '[':
			class, rest, found := cutClass(line)
			if !found {
				return r, false, nil // as in git, a pattern that is not complete matches nothing
			}
			out.WriteString(class)
			line = rest
		default:
			if line[0] == '\\' && len(line) > 1 {
				line = line[1:]
			}
			c, size := utf8.DecodeRuneInString(line) // as in the path, a byte that is not UTF-8 is one character
			out.WriteString(regexp.QuoteMeta(string(c)))
			line = line[size:]
		}
	}
	out.WriteString(`\z`)
	r.path, err = regexp.Compile(out.String())
	return r, err == nil, err
}

// cutClass returns the class of characters at the start of a pattern as one of package regexp, and
// what follows it.
func cutClass(pattern string) (class, rest string, found bool) {
	inner := pattern[1:]
	negated := strings.HasPrefix(inner, "!") || strings.HasPrefix(inner, "^")
	if negated {
		inner = inner[1:]
	}
	end := strings.IndexByte(inner[min(1, len(inner)):], ']') // a ] at the start is a character
	if end < 0 {
		return "", "", false
	}
	end++
	class = strings.NewReplacer(`[`, `\[`, `]`, `\]`, `^`, `\^`, `&`, `\&`, `~`, `\~`).Replace(inner[:end])
	if negated {
		return "[^/" + class + "]", inner[end+1:], true
	}
	return "[" + class + "]", inner[end+1:], true
}
