package environ

import (
	"path/filepath"
	goruntime "runtime"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// Names of the variables that every command reads. The variables of `fas serve` are named after its
// flags.
const (
	DirVar        = "FAASPOT_DIR"          // folder of the profile file and the data, instead of ~/.faaspot
	ConfigVar     = "FAASPOT_CONFIG"       // path of the profile file, instead of fasconf.yaml in that folder
	ProfileVar    = "FAASPOT_PROFILE"      // name of the profile to use, instead of the active one of the file
	URLVar        = "FAASPOT_URL"          // URL of the server, instead of a profile's
	TokenVar      = "FAASPOT_TOKEN"        // token, instead of the profile's
	AdminTokenVar = "FAASPOT_ADMIN_TOKEN"  // admin token of the server, instead of one that it generates
	SecretsVar    = "FAASPOT_SECRETS_KEYS" // keys that encrypt the secrets of the server, instead of those of a file
)

// Environment is the process environment, by variable names.
type Environment map[string]string

// New returns the environment of a list of KEY=VALUE entries, as [os.Environ] returns it.
func New(list []string) Environment {
	env := make(Environment, len(list))
	for _, entry := range list {
		if key, value, ok := strings.Cut(entry, "="); ok {
			env[key] = value
		}
	}
	return env
}

// Dir returns the folder of the profile file and the server's data, unless flags or other variables
// name another place.
func (e Environment) Dir() (string, error) {
	if dir := e[DirVar]; dir != "" {
		return filepath.Abs(dir)
	}
	home := e["HOME"]
	if goruntime.GOOS == "windows" {
		home = e["USERPROFILE"]
	}
	if home == "" {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the home folder is not known").
			WithHint("set " + DirVar + " to a folder")
	}
	return filepath.Join(home, ".faaspot"), nil
}

// ConfigPath returns the path of the profile file.
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

// HasOwnConfig reports whether these variables select another profile file than the default one.
func (e Environment) HasOwnConfig() bool { return e[ConfigVar] != "" || e[DirVar] != "" }
