package main

import "github.com/spf13/cobra"

func newHelpExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit status of a command says",
		Long: `The exit status of every command:

  0    it did what was asked
  1    it failed: the function raised, was stopped at a limit, cancelled or does
       not deploy, a task of a job did not succeed, or something else went wrong
  2    it was called wrongly: an unknown flag, a missing name, a value out of
       bounds
  3    the server does not accept the token, or there is none
  4    there is no such function, job, execution, dead letter or profile
  5    no server answers, or it cannot take more work now: try again later
  6    the time of --wait-timeout was over; what was waited for goes on
  130  Ctrl-C was pressed (143 for a SIGTERM); what was waited for goes on

Commands that wait for an execution, as "fas executions get --wait" and
"fas executions logs -f", end as the execution does: 0 if it is Success, else 1. So do
"fas jobs run --wait" and "fas jobs executions NAME EXECUTION --wait": 0 if it is
succeeded, else 1.

What was asked for is on the standard output; everything else, errors included,
is on the standard error.`,
	}
}

func newHelpEnvironment() *cobra.Command {
	return &cobra.Command{
		Use:   "environment",
		Short: "Profiles and environment variables",
		Long: `Commands find their server in a profile of the file ~/.faaspot/fasconf.yaml:

  faaspot:
    profile: local            # the profile in use
    profiles:
      local:
        host: 127.0.0.1       # default 127.0.0.1
        protocol: http        # http or https, default http
        port: 8080            # default 8080, with https 443
        token: ...            # secret
        ssl_enabled: false    # true: https, whatever protocol says
        ssl_certificate: ""   # PEM file with the authorities to trust
        ssl_trust_all: false  # true: do not verify the server's certificate
        server_data: ...      # data folder of the "fas serve" that wrote this
                              # profile and keeps it current; remove the line
                              # to take the profile over

"fas profiles" makes, changes and chooses them. "fas serve" writes a profile for
itself when it draws its admin token.

Environment variables, each weaker than the flag for the same thing and stronger
than the file:

  FAASPOT_DIR          the folder of the profile file and of the server's data,
                       instead of ~/.faaspot
  FAASPOT_CONFIG       the profile file, instead of fasconf.yaml in that folder
  FAASPOT_PROFILE      the profile in use, as --profile
  FAASPOT_TOKEN        the token, instead of the profile's
  FAASPOT_ADMIN_TOKEN  for "fas serve": the token that it accepts, instead of
                       one that it draws
  NO_COLOR             set to anything: no colours

The flags of "fas serve" have variables too, see "fas serve --help".`,
	}
}
