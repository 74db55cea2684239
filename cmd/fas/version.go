package main

import (
	"context"
	"fmt"
	"path"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// release is the version of a released binary, set by its build:
//
//	go build -ldflags "-X main.release=v1.2.3"
var release string

// version returns the version of this binary: that of its release, else the one that the Go
// toolchain has recorded for the source.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// static reports whether this binary was built without cgo: with it, the binary needs the C library
// of the system that built it.
func static() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "CGO_ENABLED" {
			return s.Value == "0"
		}
	}
	return false
}

// wazeroModule is the module that compiles and runs WebAssembly.
const wazeroModule = "github.com/tetratelabs/wazero"

// wazeroOf returns the release of wazero in a binary, and the id of the patch that is applied to it,
// which is empty for wazero as released. The build of the patched copy names its folder
// RELEASE-PATCH, see runtime/sandbox/wazeropatch.
func wazeroOf(info *debug.BuildInfo) (release, patch string) {
	for _, m := range info.Deps {
		if m.Path != wazeroModule {
			continue
		}
		if m.Replace == nil {
			return m.Version, ""
		}
		id, ok := strings.CutPrefix(path.Base(m.Replace.Path), m.Version+"-")
		if !ok {
			id = "unknown: " + m.Replace.Path
		}
		return m.Version, id
	}
	return "unknown", "" // the toolchain does not record the modules of test binaries
}

// versions is the output of `fas version --json`. The names and meanings of its fields are a
// promise.
type versions struct {
	Version  string        `json:"version"`
	Go       string        `json:"go"`
	Platform string        `json:"platform"`
	Static   bool          `json:"static"`       // needs no libraries of the system
	Wazero   string        `json:"wazero"`       // release, or "unknown"
	Patch    string        `json:"wazero_patch"` // id; empty: none
	Server   serverVersion `json:"server"`
}

type serverVersion struct {
	URL       string `json:"url"`
	Reachable bool   `json:"reachable"`
	Ready     bool   `json:"ready"`
	Token     bool   `json:"token"`             // whether it accepts the token
	Version   string `json:"version,omitempty"` // empty if the server does not report it
	Problem   string `json:"problem,omitempty"`
}

// versionTimeout is the longest time to wait for the answer of the server.
const versionTimeout = 3 * time.Second

func newVersion(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version [--json]",
		GroupID: groupServer,
		Short:   "Show the versions of this program and of the server",
		Long: `Show the version of this program, and whether the server of the profile can be
reached.

With --json the output is an object with the fields

  version, go, platform, static (built without cgo, so that it needs no libraries)
  wazero (the release), wazero_patch (id of the patch applied to it, or "")
  server: url, reachable, ready, token (whether it is accepted), version, problem

"fas ready" is the command for scripts: its exit status says whether the server is
ready.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{
				Version:  version(),
				Go:       goruntime.Version(),
				Platform: goruntime.GOOS + "/" + goruntime.GOARCH,
				Static:   static(),
			}
			if info, ok := debug.ReadBuildInfo(); ok {
				v.Wazero, v.Patch = wazeroOf(info)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), versionTimeout)
			defer cancel()
			if err := a.askServer(ctx, &v.Server); err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(v)
			}
			linked := ""
			if !v.Static {
				linked = ", not static: it was built with cgo"
			}
			fmt.Fprintf(a.Out, "fas %s (%s, %s%s)\n", v.Version, v.Go, v.Platform, linked)
			patch := "not patched"
			if v.Patch != "" {
				patch = "patch " + v.Patch
			}
			fmt.Fprintf(a.Out, "wazero %s, %s\n", v.Wazero, patch)
			state := "ready"
			switch {
			case !v.Server.Reachable:
				state = "not reachable"
			case !v.Server.Ready:
				state = "not ready"
			case !v.Server.Token:
				state = "ready, but it does not accept the token"
			}
			if v.Server.Version != "" {
				state = v.Server.Version + ", " + state
			}
			_, err := fmt.Fprintf(a.Out, "server %s: %s\n", v.Server.URL, state)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// askServer reads the state of the server. A server that cannot be reached is not an error.
func (a *app) askServer(ctx context.Context, v *serverVersion) error {
	s, err := a.target()
	if err != nil {
		return err
	}
	c, err := a.clientOf(s)
	if err != nil {
		return err
	}
	defer c.Close()
	v.URL = c.URL()
	h, err := c.Health(ctx)
	v.Reachable, v.Ready, v.Version = h.Reachable, h.Ready, h.Version
	if err == nil {
		_, err = s.requireToken()
	}
	if err == nil {
		err = c.CheckToken(ctx)
		v.Token = err == nil
	}
	if err != nil {
		v.Problem = clierror.Message(err)
	}
	return nil
}
