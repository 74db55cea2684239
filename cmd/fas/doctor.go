package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func newDoctor(a *app) *cobra.Command {
	var data dataFlags
	var config string
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "doctor [--data FOLDER] [--secrets-file FILE] [--config FILE] [--json]",
		GroupID:    groupServer,
		SuggestFor: []string{"check", "diagnose"},
		Short:      "Find what is wrong with a server, this machine and their connection",
		Long: `Check that the server can be reached, is ready, accepts the token and has the time of this
machine; and that this machine can run a server: the interpreter in this binary, limits of
the process and its control group, the data folder with its keys and its disk. With
--config check the file with the settings of the server, as "fas serve --check" does, and use
its folders and its file of keys, unless a flag or variable names others. Nothing is changed.

For each check the output has its state (ok, warning, problem or skipped), and for a
warning or a problem what to do. The exit status is 1 if there is a problem, else 0.

With --json the output is an array of objects with the fields

  check, state, detail, fix (empty: nothing)`,
		Example: `  fas doctor
  fas doctor --config /etc/faaspot/faasd.toml --data /var/lib/faaspot`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flagsFromEnv(cmd.Flags(), serveEnv, a.env); err != nil {
				return err
			}
			findings := a.diagnoseServer(cmd.Context())
			o, cache := data.Secrets, a.env[serveEnv["cache"]]
			if config != "" {
				settings, found := a.checkConfig(cmd.Context(), config)
				findings = append(findings, found...)
				cache = settings.Lookup("cache").Value.String()
				o.Data = cmp.Or(o.Data, settings.Lookup("data").Value.String())
				o.File = cmp.Or(o.File, settings.Lookup("secrets-file").Value.String())
			}
			o.Environ = a.env
			var err error
			if o.Data, err = dataFolder(a, o.Data); err != nil {
				return err
			}
			return a.writeFindings(append(findings, server.Diagnose(o, cache)...), asJSON)
		},
	}
	data.flags(cmd, "data `FOLDER` of the server on this machine (default ~/.faaspot/data)")
	cmd.Flags().StringVar(&config, configFlag, "", "`FILE` with the settings of the server (default none)")
	_ = cmd.MarkFlagFilename(configFlag)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// checkConfig returns the settings of a server with a file of them, and a finding for each mistake.
func (a *app) checkConfig(ctx context.Context, path string) (*pflag.FlagSet, []server.Finding) {
	const check = "settings"
	silent := *a
	silent.Out = io.Discard
	cmd := newServe(&silent)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs([]string{"--" + configFlag, path, "--check"})
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return cmd.Flags(), []server.Finding{server.Ok(check, "%s has no mistakes", path)}
	}
	list := []server.Finding{server.Failed(check, server.FindingProblem, err)}
	if coded, ok := runtime.AsError(err); ok {
		for _, more := range coded.More {
			list = append(list, server.Failed(check, server.FindingProblem, more))
		}
	}
	return cmd.Flags(), list
}

// maxSkew is the difference between the clocks of server and client from which times confuse people. The
// server reports its own in whole seconds.
const maxSkew = 5 * time.Second

// diagnoseServer checks the server that commands use.
func (a *app) diagnoseServer(ctx context.Context) []server.Finding {
	s, err := a.target()
	if err != nil {
		return []server.Finding{server.Failed("profile", server.FindingProblem, err)}
	}
	c, err := a.clientOf(s)
	if err != nil {
		return []server.Finding{server.Failed("profile", server.FindingProblem, err)}
	}
	defer c.Close()
	list := []server.Finding{profileFinding(s)}
	before := time.Now()
	h, err := c.Health(ctx)
	after := time.Now()
	if err != nil {
		list = append(list, server.Failed("server", server.FindingProblem, err))
		if h.Reachable { // the disk may be why
			if d, err := c.Disk(ctx); err == nil {
				list = append(list, roomFinding(d))
			}
		}
		return list
	}
	list = append(list, versionFinding(c.URL(), h.Version), clockFinding(h.Time, before, after))
	if _, err = s.requireToken(); err == nil {
		err = c.CheckToken(ctx)
	}
	if err != nil {
		return append(list, server.Failed("token", server.FindingProblem, err))
	}
	return append(list, server.Ok("token", "accepted"), diskFinding(ctx, c))
}

func profileFinding(s target) server.Finding {
	if s.name == "" {
		return server.Ok("profile", "none, for %s", s.url)
	}
	return server.Ok("profile", "%s of %s, for %s", s.name, s.path, s.url)
}

func versionFinding(url, has string) server.Finding {
	if has != version() {
		return server.Finding{
			Check: "server", State: server.FindingWarning, Detail: fmt.Sprintf("%s is ready, and has version %q; this is %q", url, has, version()),
			Fix: "use the same release for both",
		}
	}
	return server.Ok("server", "%s is ready", url)
}

// clockFinding compares the server's clock with the times before and after its answer.
func clockFinding(at, before, after time.Time) server.Finding {
	switch {
	case at.IsZero():
		return server.Finding{Check: "clock", State: server.FindingSkipped, Detail: "the server does not report its time"}
	case at.Before(before.Add(-maxSkew)), at.After(after.Add(maxSkew)):
		return server.Finding{
			Check: "clock", State: server.FindingWarning, Detail: fmt.Sprintf("the clock of the server differs by %v", at.Sub(after).Round(time.Second)),
			Fix: "synchronize both clocks, such as with chrony",
		}
	}
	return server.Ok("clock", "server and client agree")
}

// diskFinding checks the disk of the server, which only an operator may see.
func diskFinding(ctx context.Context, c *client.Client) server.Finding {
	d, err := c.Disk(ctx)
	if runtime.CodeOf(err) == runtime.CodePermissionDenied {
		return server.Finding{Check: diskCheck, State: server.FindingSkipped, Detail: "this needs a token with the scope operator"}
	}
	if err != nil {
		return server.Failed(diskCheck, server.FindingProblem, err)
	}
	return roomFinding(d)
}

const diskCheck = "disk of the server"

// roomFinding is the finding of what a server has reported about its disk.
func roomFinding(d wire.Disk) server.Finding {
	if d.Problem != nil {
		return server.Finding{Check: diskCheck, State: server.FindingProblem, Detail: *d.Problem, Fix: "free some room; `fas admin df` shows what takes it"}
	}
	return server.Ok(diskCheck, "%s of %s free, %s are needed", ui.AboutSize(int64(d.Free)), ui.AboutSize(int64(d.Total)), ui.AboutSize(int64(d.Floor)))
}

// writeFindings prints the findings. It returns an error if one is a problem.
func (a *app) writeFindings(list []server.Finding, asJSON bool) error {
	problems := 0
	for _, f := range list {
		if f.State == server.FindingProblem {
			problems++
		}
	}
	var err error
	if asJSON {
		err = a.WriteJSON(list)
	}
	for _, f := range list {
		if asJSON || err != nil {
			break
		}
		if _, err = fmt.Fprintf(a.Out, "%-8s %s: %s\n", f.State, f.Check, ui.OneLine(f.Detail)); err == nil && f.Fix != "" {
			_, err = fmt.Fprintf(a.Out, "%-8s fix: %s\n", "", ui.OneLine(f.Fix))
		}
	}
	if err == nil && problems > 0 {
		return runtime.Errorf(clierror.CodeUnsuccessful, "%d of %d checks found a problem", problems, len(list))
	}
	return err
}
