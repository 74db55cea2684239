package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

func newMan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "man FOLDER",
		GroupID: groupServer,
		Short:   "Write the manual pages of all commands to a folder",
		Long: `Write a manual page for each command to a folder, such as fas-serve.1, which must exist. They
have the text of --help.`,
		Example: `  fas man /usr/local/share/man/man1`,
		Args:    arguments("FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
				return clierror.Usagef("make it first, or name another one", "%s is not a folder", args[0])
			}
			root := newRoot(&app{env: a.env})
			preformat(root)
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "fas " + version(), Manual: "faaspot"}, args[0])
		},
	}
}

// preformat keeps the lines of all long texts as they are, which the library would take for Markdown.
func preformat(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	if cmd.Long != "" {
		cmd.Long = "```\n" + strings.TrimSpace(cmd.Long) + "\n```"
	}
	for _, sub := range cmd.Commands() {
		preformat(sub)
	}
}
