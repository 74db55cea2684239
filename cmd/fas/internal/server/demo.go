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
	// demoMark distinguishes the demo's function, of any version, from a user's function of the
	// same name.
	demoMark = "# A sample, deployed by `fas serve --demo`.\n"
	demoCode = demoMark + `def main(args, context):
    return "Hello, " + args.get("name", "world") + "!"
`
)

// runDemo deploys a sample function, runs it once, and prints the result and how to call it. All
// requests go through the server's own API.
func (s *server) runDemo(ctx context.Context) error {
	at, who := s.at, s.admin
	if who.token == "" {
		return errors.New("no profile has the admin token: start the server once with --reset-admin-token")
	}
	c, err := client.New(client.Options{URL: at.url(), CACertificate: s.TLSCert, Token: who.token, UserAgent: "fas-demo/" + s.Version, Trace: s.Trace})
	if err != nil {
		return err
	}
	defer c.Close()
	ours, err := deployDemo(ctx, c)
	if err != nil {
		return err
	}
	if !ours {
		_, err := fmt.Fprintf(s.Terminal.Out, "There already is another function %s. The demo does not change it.\n", demoName)
		return err
	}
	answer, err := c.Run(ctx, demoName, []byte(`{"name":"world"}`))
	if err != nil {
		return err
	}
	command, token := s.commandLine(who)
	_, err = fmt.Fprintf(s.Terminal.Out, `
The function %s ran in %s, in its own sandbox:

  %s

Call it from another terminal:

  curl -H "Authorization: Token %s" "%s/v1/sync/functions/%s/rpc/?name=you"

  %s

`, demoName, ui.DurationText(answer.Duration), answer.Result, token, at.url(), demoName,
		command("functions run "+demoName+" -p name=you --wait"))
	return err
}

// deployDemo deploys the function of this version. It returns false if there is a user's function
// of that name.
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

// commandLine returns a function that renders a shell command of this program for this server, and
// a shell word that expands to the token without showing it.
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
