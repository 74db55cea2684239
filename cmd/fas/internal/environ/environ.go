package environ

import (
	"path/filepath"
	goruntime "runtime"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// Environment variables that every command reads. Those of `fas serve` are
// named after its flags, see serve.go.
const (
	DirVar        = "FAASPOT_DIR"         // the folder of everything that is kept, instead of ~/.faaspot
	ConfigVar     = "FAASPOT_CONFIG"      // the profile file, instead of fasconf.yaml in that folder
	ProfileVar    = "FAASPOT_PROFILE"     // the profile in use, instead of the one the file names
	TokenVar      = "FAASPOT_TOKEN"       // the token, instead of the profile's
	AdminTokenVar = "FAASPOT_ADMIN_TOKEN" // the server's admin token, instead of one that it draws
)

// environment is the process environment.
type Environment map[string]string

func New(list []string) Environment {
	env := make(Environment, len(list))
	for _, entry := range list {
		if key, value, ok := strings.Cut(entry, "="); ok {
			env[key] = value
		}
	}
	return env
}

// dir is the folder in which the profile file and the server's data are unless
// told otherwise.
func (e Environment) Dir() (string, error) {
	if dir := e[DirVar]; dir != "" {
		return filepath.Abs(dir)
	}
	home := e["HOME"]
	if goruntime.GOOS == "windows" {
		home = e["USERPROFILE"]
	}
	if home == "" {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "there is no home folder to keep things in").
			WithHint("set " + DirVar + " to a folder")
	}
	return filepath.Join(home, ".faaspot"), nil
}

// configPath is where the profile file is.
func (e Environment) ConfigPath() (string, error) {
	if path := e[ConfigVar]; path != "" {
		return filepath.Abs(path)
	}
	dir, err := e.Dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "fasconf.yaml"), nil
}

// ownConfig tells whether the profile file is elsewhere than a shell without
// any of these variables would look for it.
func (e Environment) HasOwnConfig() bool { return e[ConfigVar] != "" || e[DirVar] != "" }
