package main

import (
	"fmt"
	"os/exec"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

func newOpen(a *app) *cobra.Command {
	var asJSON, browser bool
	cmd := &cobra.Command{
		Use:        "open [--browser] [--json]",
		GroupID:    groupServer,
		SuggestFor: []string{"console", "dashboard", "ui", "web"},
		Short:      "Print an address that logs in to the console of the server",
		Long: `Print an address at which a browser is logged in to the console of the server. It can be
opened once, and within a minute. The session permits what the token permits, lasts
12 hours, and ends with the token.

With --browser the command opens the address in the browser of this machine. Programs
of other users of the machine can see it for a moment, as an argument of a command.

With --json the output is an object with the fields

  url, expires`,
		Example: `  fas open
  fas open --browser`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			url, expires, err := c.ConsoleURL(cmd.Context())
			if err != nil {
				return err
			}
			if browser {
				return openBrowser(url)
			}
			if asJSON {
				return a.WriteJSON(struct {
					URL     string `json:"url"`
					Expires string `json:"expires"`
				}{url, expires})
			}
			_, err = fmt.Fprintln(a.Out, url)
			return err
		},
	}
	cmd.Flags().BoolVar(&browser, "browser", false, "open the address in the browser of this machine")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// openers are the programs that open an address in the browser, by the operating system.
var openers = map[string][]string{
	"darwin":  {"open"},
	"windows": {"rundll32", "url.dll,FileProtocolHandler"},
}

// openBrowser opens an address in the browser of this machine.
func openBrowser(url string) error {
	words := openers[goruntime.GOOS]
	if words == nil {
		words = []string{"xdg-open"}
	}
	if err := exec.Command(words[0], append(words[1:len(words):len(words)], url)...).Run(); err != nil {
		return clierror.Usagef("run it without --browser, and open the address that it prints", "%s cannot open a browser: %s", words[0], err)
	}
	return nil
}
