package main

import "github.com/spf13/cobra"

func newHelpEnvironment() *cobra.Command {
	return &cobra.Command{
		Use:   "environment",
		Short: "Profiles and environment variables",
		Long: `The profile of a server is in the file ~/.faaspot/fasconf.yaml:

  faaspot:
    profile: local            # the active profile
    profiles:
      local:
        host: 127.0.0.1       # default 127.0.0.1
        protocol: http        # http or https, default http
        port: 8080            # default 8080, with https 443
        token: ...            # secret
        username: ""          # sent with the password if there is no token
        password: ""          # secret
        ssl_enabled: false    # true: https, overrides protocol
        ssl_certificate: ""   # PEM file with the certificate authorities to trust
        ssl_trust_all: false  # true: do not verify the server's certificate
        server_data: ...      # data folder of the "fas serve" that wrote this
                              # profile and updates it; remove the line to
                              # prevent that

"fas profiles" creates, changes and selects profiles. "fas serve" writes a profile for
itself when it generates its admin token.

Environment variables. Each overrides the file, and is overridden by its flag:

  FAASPOT_DIR          folder of the profile file and of the server's data,
                       instead of ~/.faaspot
  FAASPOT_CONFIG       profile file, instead of fasconf.yaml in that folder
  FAASPOT_URL          URL of the server, as --url; no profile is needed then
  FAASPOT_PROFILE      profile to use, as --profile
  FAASPOT_TOKEN        token, instead of the profile's; if FAASPOT_URL is set, it is
                       sent to that server only
  FAASPOT_ADMIN_TOKEN  for "fas serve": the admin token, instead of a generated
                       one
  FAASPOT_SECRETS_KEYS for "fas serve", "fas secrets" and "fas admin": the keys that
                       encrypt secrets, instead of those of a file
  NO_COLOR             any value: no colours

For the variables of "fas serve" see "fas serve --help".`,
	}
}
