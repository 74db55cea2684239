package shell

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Program returns the word with which a shell starts this program: its name if the search path
// leads to it, else its full path.
func Program(searchPath string) string {
	self, err := os.Executable()
	if err != nil {
		return "fas"
	}
	name := filepath.Base(self)
	if here, err := os.Stat(self); err == nil {
		for _, dir := range filepath.SplitList(searchPath) {
			there, err := os.Stat(filepath.Join(dir, name))
			if err != nil || there.IsDir() {
				continue
			}
			if os.SameFile(here, there) {
				return Quote(name)
			}
			break // the shell would start that one
		}
	}
	return Quote(self)
}

// plainWord matches words without a special meaning for a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// Quote quotes a word for a shell, if that is necessary.
func Quote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
