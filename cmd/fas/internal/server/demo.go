package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/shell"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

const (
	demoName = "hello"
	// demoMark tells the demo's function, of this version or another, from one
	// that somebody has written under the same name.
	demoMark = "# A sample, deployed by `fas serve --demo`.\n"
	demoCode = demoMark + `def main(args, context):
    return "Hello, " + args.get("name", "world") + "!"
`
)

// demo deploys a sample function, runs it once, and says on the standard output
// how it went and how to call it. All of it goes through the server's own API.
func (s *server) runDemo(ctx context.Context) error {
	at, who := s.at, s.admin
	if who.token == "" {
		return errors.New("no profile has the admin token: start once with --reset-admin-token")
	}
	c, err := client.New(client.Options{URL: at.url(), Token: who.token, UserAgent: "fas-demo/" + s.Version, Trace: s.Trace})
	if err != nil {
		return err
	}
	defer c.Close()
	ours, err := deployDemo(ctx, c)
	if err != nil {
		return err
	}
	if !ours {
		_, err := fmt.Fprintf(s.Terminal.Out, "A function %s of yours is there already. The demo leaves it alone.\n", demoName)
		return err
	}
	answer, err := c.Run(ctx, demoName, []byte(`{"name":"world"}`))
	if err != nil {
		return err
	}
	command, token := s.commandLine(who)
	_, err = fmt.Fprintf(s.Terminal.Out, `
The function %s ran in %s, in a sandbox of its own:

  %s

Call it from another terminal:

  curl -H "Authorization: Token %s" "%s/v1/sync/functions/%s/rpc/?name=you"

  %s

`, demoName, ui.DurationText(answer.Duration), answer.Result, token, at.url(), demoName,
		command("functions run "+demoName+" -p name=you --wait"))
	return err
}

// deployDemo makes sure that the function is there as it is in this version. It
// is false if somebody has a function of that name.
func deployDemo(ctx context.Context, c *client.Client) (ours bool, err error) {
	code := demoCode
	f, err := c.Function(ctx, demoName)
	switch {
	case runtime.CodeOf(err) == runtime.CodeNotFound:
		_, err = c.Create(ctx, client.CreateRequest{Name: demoName, Code: code})
	case err != nil || f.Code == code:
	case !strings.HasPrefix(f.Code, demoMark):
		return false, nil
	default:
		_, err = c.Update(ctx, demoName, client.UpdateRequest{Code: &code})
	}
	return err == nil, err
}

// commandLine gives what to type in a shell for a command of this program, with
// what it needs to find this server, and for the token, without showing it.
func (s *server) commandLine(who admin) (command func(string) string, token string) {
	before, after := "", ""
	switch {
	case who.given:
		before = environ.TokenVar + `="$` + environ.AdminTokenVar + `" `
	case !who.active:
		after = " --profile " + shell.Quote(who.profile)
	}
	if path, err := s.Environ.ConfigPath(); err == nil && s.Environ.HasOwnConfig() {
		before += environ.ConfigVar + "=" + shell.Quote(path) + " "
	}
	program := shell.Program(s.Environ["PATH"])
	command = func(c string) string { return before + program + " " + c + after }
	if who.given {
		return command, "$" + environ.AdminTokenVar
	}
	return command, "$(" + command("auth token") + ")"
}
