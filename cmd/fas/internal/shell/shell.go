package shell

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// programPath is how a shell finds this program: by its name if that is in the
// search path, else by its full path.
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
			break // a shell would take that one
		}
	}
	return Quote(self)
}

// plainWord is a word that no shell reads anything into.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

func Quote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
