package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctionsUpdate(a *app) *cobra.Command {
	var file, contextFile, newName string
	var wait, asJSON bool
	var bounds limits
	var folder folderFlags
	cmd := &cobra.Command{
		Use:   "update NAME [-f FILE | --dir DIR] [-c CONTEXT-FILE] [-n NEW-NAME] [--timeout SECONDS] [--memory MB] [--retries N] [--allow HOST:PORT] [--json]",
		Short: "Change a function",
		Long: `Change a function's code, context, limits, retries, allow list or name. Anything that is
not given does not change. If the change does not deploy, the function does not change.

` + aboutFolders + `

Prints the id of the deployment.

` + changeFields,
		Example: `  fas functions update hello -f hello.py
  fas functions update shop --dir shop
  fas functions update hello --new-name hi --timeout 5`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			if newName != "" {
				if err := functionName(newName); err != nil {
					return err
				}
			}
			if err := folder.check(cmd); err != nil {
				return err
			}
			if folder.dir != "" {
				if err := exclusive(cmd, "dir", "new-name"); err != nil {
					return err
				}
				s, err := bounds.settings(cmd, a, contextFile)
				if err != nil {
					return err
				}
				c, err := a.deployFolder(cmd.Context(), deployment{name: args[0], folder: folder, settings: s, update: true})
				if err != nil {
					return err
				}
				return a.writeChange(c, asJSON)
			}
			if file == "-" && contextFile == "-" {
				return clierror.Usagef("give one of them as a file", "code and context cannot both come from the standard input")
			}
			r := client.UpdateRequest{Name: newName, Timeout: float64(bounds.timeout), Memory: int64(bounds.memory), Retries: bounds.givenRetries(cmd), Allow: bounds.givenAllow(cmd), KeepArgs: bounds.givenKeepArgs(cmd)}
			var err error
			if file != "" {
				if r.Code, err = a.ReadText(cmd.Context(), file, "code", runtime.MaxSource); err != nil {
					return err
				}
			}
			if contextFile != "" {
				if r.Context, err = a.ReadText(cmd.Context(), contextFile, "context file", runtime.MaxContext); err != nil {
					return err
				}
			}
			if r == (client.UpdateRequest{}) {
				return clierror.Usagef("usage: "+cmd.UseLine(), "nothing to change")
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.Update(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			name := args[0]
			if newName != "" {
				name = newName
			}
			return a.writeChange(change{ID: id, Name: name, Change: "updated"}, asJSON)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` with the new code, - is the standard input")
	cmd.Flags().StringVarP(&contextFile, "context-file", "c", "", "`FILE` with the new context, - is the standard input")
	cmd.Flags().StringVarP(&newName, "new-name", "n", "", "new `NAME`")
	folder.flags(cmd)
	waitFlag(cmd, &wait)
	bounds.flags(cmd, "unchanged", "unchanged", "unchanged", "unchanged")
	jsonFlag(cmd, &asJSON)
	completeFiles(cmd)
	return cmd
}
