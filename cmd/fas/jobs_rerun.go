package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// rerunTasks are the values of --tasks.
var rerunTasks = []string{string(runtime.RerunFailed), string(runtime.RerunUnsuccessful)}

func newJobsRerun(a *app) *cobra.Command {
	var tasks, key string
	var wait, asJSON bool
	var waitTimeout ui.Seconds
	cmd := &cobra.Command{
		Use:   "rerun NAME EXECUTION [--tasks failed|unsuccessful] [--wait [--wait-timeout SECONDS]] [--json]",
		Short: "Run the failed tasks of an execution again",
		Long: `Run the failed tasks of an execution of a job again, as a new execution, and print its
id. It has the environment, the memory and the callback that were requested for the
first one. With --wait, wait until it is done, and print the same as "fas jobs run".

The args of the tasks must be kept by the server, see "fas functions create --help".

With --json the output is an object with the field id; with --wait --json it is the
new execution, as in "fas jobs executions".`,
		Example: `  fas jobs rerun bills $ID --wait
  fas jobs rerun bills $ID --tasks unsuccessful`,
		Args:              arguments("NAME", "EXECUTION"),
		ValidArgsFunction: a.completeJobExecutions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "wait-timeout"); err != nil {
				return err
			}
			if !slices.Contains(rerunTasks, tasks) {
				return clierror.Usagef("use failed, or unsuccessful to repeat cancelled tasks, too", "the --tasks %s is not known", ui.Quote(tasks))
			}
			if key == "" && cmd.Flags().Changed("id") {
				return clierror.Usagef("give a value, or leave the flag out", "the --id is empty")
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.RerunJob(cmd.Context(), args[0], args[1], tasks, key)
			if err != nil {
				return err
			}
			if wait {
				return a.awaitAndReportJob(cmd.Context(), c, args[0], id, waitTimeout, asJSON)
			}
			return a.writeStarted(args[0], id, asJSON)
		},
	}
	cmd.Flags().StringVar(&tasks, "tasks", rerunTasks[0], "`WHICH` tasks: failed, or unsuccessful: cancelled ones, too")
	cmd.Flags().StringVar(&key, "id", "", "idempotency `KEY`: within 24 hours the same command starts only one execution")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until all tasks are done and print a summary")
	waitTimeoutFlag(cmd, &waitTimeout)
	jsonFlag(cmd, &asJSON)
	_ = cmd.RegisterFlagCompletionFunc("tasks", cobra.FixedCompletions(rerunTasks, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
