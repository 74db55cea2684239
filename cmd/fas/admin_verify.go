package main

import (
	"cmp"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

func newAdminVerify(a *app) *cobra.Command {
	var data dataFlags
	var folder string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE [--secrets-file FILE] [--temp-dir FOLDER] [--json]",
		Short: "Check that a backup can be restored",
		Long: `Check that a backup is complete and can be restored: compare the checksums of its files, open
the store in it, and read every record. FILE - is the standard input. With --secrets-file
or FAASPOT_SECRETS_KEYS, check also that these keys decrypt all secrets.

The backup is unpacked below the folder of FILE, or --temp-dir, and removed again.
Without faaspot, "tar -xf FILE && sha256sum -c SHA256SUMS" compares the checksums.

` + reportFields,
		Example: `  fas admin verify faaspot-2026-11-30.tar --secrets-file secrets.keys`,
		Args:    arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := data.Secrets
			o.Environ = a.env
			in, err := a.openBackup(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			b, err := server.VerifyBackup(o, in, cmp.Or(folder, filepath.Dir(args[0])))
			if err != nil {
				return err
			}
			return a.writeReport("the backup can be restored", b, asJSON)
		},
	}
	data.flags(cmd, "")
	cmd.Flags().StringVar(&folder, "temp-dir", "", "`FOLDER` with room for the whole backup (default that of FILE)")
	_ = cmd.MarkFlagDirname("temp-dir")
	jsonFlag(cmd, &asJSON)
	return cmd
}
