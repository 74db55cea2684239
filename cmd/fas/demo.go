package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
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
func (a *app) demo(ctx context.Context, at place, who admin) error {
	if who.token == "" {
		return errors.New("no profile has the admin token: start once with --reset-admin-token")
	}
	c, err := client.New(client.Options{URL: at.url(), Token: who.token, UserAgent: "fas-demo/" + version(), Trace: a.trace()})
	if err != nil {
		return err
	}
	defer c.Close()
	ours, err := deployDemo(ctx, c)
	if err != nil {
		return err
	}
	if !ours {
		_, err := fmt.Fprintf(a.stdout, "A function %s of yours is there already. The demo leaves it alone.\n", demoName)
		return err
	}
	answer, err := c.Run(ctx, demoName, []byte(`{"name":"world"}`))
	if err != nil {
		return err
	}
	command, token := a.commandLine(who)
	_, err = fmt.Fprintf(a.stdout, `
The function %s ran in %s, in a sandbox of its own:

  %s

Call it from another terminal:

  curl -H "Authorization: Token %s" "%s/v1/sync/functions/%s/rpc/?name=you"

  %s

`, demoName, durationText(answer.Duration), answer.Result, token, at.url(), demoName,
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
func (a *app) commandLine(who admin) (command func(string) string, token string) {
	before, after := "", ""
	switch {
	case who.given:
		before = envToken + `="$` + envAdminToken + `" `
	case !who.active:
		after = " --profile " + shellQuote(who.profile)
	}
	if path, err := a.env.configPath(); err == nil && a.env.ownConfig() {
		before += envConfig + "=" + shellQuote(path) + " "
	}
	program := a.programPath()
	command = func(c string) string { return before + program + " " + c + after }
	if who.given {
		return command, "$" + envAdminToken
	}
	return command, "$(" + command("auth token") + ")"
}

// programPath is how a shell finds this program: by its name if that is in the
// search path, else by its full path.
func (a *app) programPath() string {
	self, err := os.Executable()
	if err != nil {
		return "fas"
	}
	name := filepath.Base(self)
	if here, err := os.Stat(self); err == nil {
		for _, dir := range filepath.SplitList(a.env["PATH"]) {
			there, err := os.Stat(filepath.Join(dir, name))
			if err != nil || there.IsDir() {
				continue
			}
			if os.SameFile(here, there) {
				return shellQuote(name)
			}
			break // a shell would take that one
		}
	}
	return shellQuote(self)
}

// plainWord is a word that no shell reads anything into.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

func shellQuote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
