package main

import (
	"path/filepath"
	goruntime "runtime"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// Environment variables that every command reads. Those of `fas serve` are
// named after its flags, see serve.go.
const (
	envDir        = "FAASPOT_DIR"         // the folder of everything that is kept, instead of ~/.faaspot
	envConfig     = "FAASPOT_CONFIG"      // the profile file, instead of fasconf.yaml in that folder
	envProfile    = "FAASPOT_PROFILE"     // the profile in use, instead of the one the file names
	envToken      = "FAASPOT_TOKEN"       // the token, instead of the profile's
	envAdminToken = "FAASPOT_ADMIN_TOKEN" // the server's admin token, instead of one that it draws
)

// environment is the process environment.
type environment map[string]string

func newEnvironment(list []string) environment {
	env := make(environment, len(list))
	for _, entry := range list {
		if key, value, ok := strings.Cut(entry, "="); ok {
			env[key] = value
		}
	}
	return env
}

// dir is the folder in which the profile file and the server's data are unless
// told otherwise.
func (e environment) dir() (string, error) {
	if dir := e[envDir]; dir != "" {
		return filepath.Abs(dir)
	}
	home := e["HOME"]
	if goruntime.GOOS == "windows" {
		home = e["USERPROFILE"]
	}
	if home == "" {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "there is no home folder to keep things in").
			WithHint("set " + envDir + " to a folder")
	}
	return filepath.Join(home, ".faaspot"), nil
}

// configPath is where the profile file is.
func (e environment) configPath() (string, error) {
	if path := e[envConfig]; path != "" {
		return filepath.Abs(path)
	}
	dir, err := e.dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "fasconf.yaml"), nil
}

// ownConfig tells whether the profile file is elsewhere than a shell without
// any of these variables would look for it.
func (e environment) ownConfig() bool { return e[envConfig] != "" || e[envDir] != "" }
