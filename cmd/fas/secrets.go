package main

import (
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

func newSecrets(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "secrets",
		GroupID: groupFunctions,
		Short:   "Set the secrets of functions; change the key that encrypts them",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newSecretsSet(a), newSecretsList(a), newSecretsRemove(a), newSecretsImport(a), newSecretsRotate(a))
	return cmd
}

func newSecretsRotate(a *app) *cobra.Command {
	o := server.Secrets{Environ: a.env}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate [--data FOLDER] [--secrets-file FILE] [--json]",
		Short: "Encrypt all secrets with a new key",
		Long: `Encrypt all secrets in a data folder with a new key, and delete the old one. Secrets
that an earlier release has stored without encryption are encrypted too. The server must
be stopped.

If FAASPOT_SECRETS_KEYS is set, its last key is the new one: append a key, run this
command, and remove the others.

Backups that were made before need the old key. Prints the number of records that were
encrypted.

With --json the output is an object with the field count.`,
		Example: `  fas secrets rotate
  fas secrets rotate --data /var/lib/faaspot`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flagsFromEnv(cmd.Flags(), serveEnv, a.env); err != nil {
				return err
			}
			var err error
			if o.Data, err = dataFolder(a, o.Data); err != nil {
				return err
			}
			n, err := server.RotateSecrets(o, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			return a.writeCount(n, n, "encrypted", asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Data, "data", "", "data `FOLDER` (default ~/.faaspot/data)")
	f.StringVar(&o.File, "secrets-file", "", "`FILE` with the keys (default secrets.keys in the data folder)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagFilename("secrets-file")
	return cmd
}

// dataFolder returns the absolute path of the data folder that a flag gives, or of the default.
func dataFolder(a *app, given string) (string, error) {
	if given == "" {
		dir, err := a.env.Dir()
		if err != nil {
			return "", err
		}
		given = filepath.Join(dir, "data")
	}
	return filepath.Abs(given)
}
