package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newAdminRestore(a *app) *cobra.Command {
	var data dataFlags
	var alone, asJSON bool
	cmd := &cobra.Command{
		Use:   "restore FILE --data FOLDER [--secrets-file FILE] [--alone] [--json]",
		Short: "Restore a backup to an empty data folder",
		Long: `Restore a backup to a data folder that is empty, or has nothing but secrets.keys. FILE - is
the standard input. All of the backup is checked first, as "fas admin verify" does. No
server may use the folder.

Copy the file with the keys of secrets to the folder first, or name it with
--secrets-file, or set FAASPOT_SECRETS_KEYS, so that the secrets are checked too. Without
the keys, no server can use the folder.

The restored server has the state of the time of the backup: executions that had not ended
then run, again if they have ended since; tokens that were deleted since work again; and
the admin token is that of that time, or a new one with "fas serve --reset-admin-token".

A backup of a cluster becomes the data of a node of that cluster; with --alone, which needs the
keys, that of a server alone.

` + reportFields,
		Example: `  install -m 600 -D secrets.keys /var/lib/faaspot/secrets.keys
  fas admin restore faaspot-2026-11-30.tar --data /var/lib/faaspot
  fas serve --data /var/lib/faaspot`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if data.Data == "" {
				return clierror.Usagef("name the folder with --data", "the data folder is missing")
			}
			o, err := data.given(a)
			if err != nil {
				return err
			}
			in, err := a.openBackup(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			b, err := server.RestoreBackup(o, in, alone)
			if err != nil {
				return err
			}
			if err := a.writeReport("restored to "+o.Data, b, asJSON); err != nil {
				return err
			}
			if hint := o.KeysHint(b); hint != "" {
				fmt.Fprintln(a.Err, "note: "+hint)
			}
			return nil
		},
	}
	data.flags(cmd, "data `FOLDER` to restore to, which is empty")
	cmd.Flags().BoolVar(&alone, "alone", false, "make the backup of a cluster the data of a server alone")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// reportFields describes the --json of commands that check a backup.
const reportFields = `With --json the output is an object with the fields

  release (that made the backup), time (RFC 3339), files, bytes, tenants, functions,
  records, encrypted (records with secrets that are), plain (those that are not, which an
  earlier release has stored), needs_keys (whether a server needs keys to use the data),
  decrypted (whether the keys were given, and are right), cluster (whether the data are
  those of a node of a cluster)`

// writeReport prints what a backup has.
func (a *app) writeReport(done string, b server.BackupReport, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(b)
	}
	secrets := fmt.Sprintf("%d encrypted", b.Encrypted)
	if b.Decrypted {
		secrets += ", the keys are right"
	}
	if _, err := fmt.Fprintf(a.Out, "%s: %s in %d files, of %s by %s\ntenants:   %d\nfunctions: %d\nrecords:   %d\nsecrets:   %s\n",
		done, ui.SizeText(b.Bytes), b.Files, ui.Timestamp(b.Time, true), ui.OneLine(b.Release), b.Tenants, b.Functions, b.Records, secrets); err != nil {
		return err
	}
	if b.Cluster {
		fmt.Fprintln(a.Err, "note: these are the data of a node of a cluster: start it with --cluster, or restore with --alone")
	}
	if b.Plain > 0 {
		fmt.Fprintf(a.Err, "note: %d records with secrets are not encrypted, because an earlier release has stored them: run `fas secrets rotate`, and make another backup\n", b.Plain)
	}
	return nil
}
