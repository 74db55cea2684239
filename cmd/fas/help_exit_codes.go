package main

import "github.com/spf13/cobra"

func newHelpExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "Exit statuses of commands",
		Long: `The exit status of every command:

  0    success
  1    failure: the function failed, reached a limit, was cancelled or does not
       deploy, a task of a job did not succeed, or another error
  2    wrong usage: an unknown flag, a missing name, an invalid value
  3    the server does not accept the token, or the token does not permit this, or
       there is no token
  4    the function, job, execution, dead letter, tenant, token or profile does not exist
  5    the server cannot be reached, or cannot accept more work now: try again later
  6    the time of --wait-timeout is over; the work continues on the server
  130  interrupted by Ctrl-C (143 by SIGTERM); the work continues on the server

Commands that wait for an execution, such as "fas executions get --wait" and
"fas executions logs -f", exit with 0 if the execution is Success, else 1. Likewise
"fas jobs run --wait" and "fas jobs executions NAME EXECUTION --wait" exit with 0 if
the execution succeeded, else 1.

Commands print the requested data on the standard output, and everything else,
including errors, on the standard error.`,
	}
}
