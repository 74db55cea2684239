package main

import "github.com/spf13/cobra"

func newFunctionsApply(a *app) *cobra.Command {
	var d definition
	cmd := &cobra.Command{
		Use:        "apply NAME {--file FILE | --dir DIR} [-c CONTEXT-FILE] [--timeout SECONDS] [--memory MB] [--retries N] [--allow HOST:PORT] [--json]",
		SuggestFor: []string{"put", "up", "push", "upload"},
		Short:      "Deploy a function: create it, or change the one of that name",
		Long: `Deploy a function from a Python script or a folder: create it, or change the function of
that name.
What the flags do not name gets the default if the function is new, and does not
change if it exists: a deployment of new code keeps the context and the limits.

` + aboutFolders + `

If the code does not deploy, nothing changes; see "fas functions create". Prints the
id of the deployment, and on the standard error whether the function was created or
updated.

` + changeFields,
		Example: `  fas functions apply hello --file hello.py
  fas functions apply shop --dir shop
  fas functions apply mailer -f mailer.py -c mailer.conf --timeout 10`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if d.folder.dir != "" {
				return d.deploy(cmd, a, deployment{name: args[0], create: true, update: true})
			}
			r, err := d.read(cmd, a, args[0])
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			done, err := a.put(cmd.Context(), c, r)
			if err != nil {
				return err
			}
			return a.writeChange(done, d.asJSON)
		},
	}
	d.flags(cmd, "60, or unchanged", "128, or unchanged", "0, or unchanged", "nothing, or unchanged")
	return cmd
}
