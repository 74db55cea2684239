package main

import (
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

func newAdmin(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "admin",
		GroupID: groupServer,
		Short:   "Back up, restore and inspect the data of a server",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newAdminBackup(a), newAdminRestore(a), newAdminVerify(a), newAdminDf(a))
	return cmd
}

// dataFlags are the flags of commands that use a data folder themselves.
type dataFlags struct{ server.Secrets }

func (f *dataFlags) flags(cmd *cobra.Command, data string) {
	if data != "" {
		cmd.Flags().StringVar(&f.Data, "data", "", data)
		_ = cmd.MarkFlagDirname("data")
	}
	cmd.Flags().StringVar(&f.File, "secrets-file", "", "`FILE` with the keys of secrets (default secrets.keys in the data folder)")
	_ = cmd.MarkFlagFilename("secrets-file")
}

// given returns where the data folder and the keys are.
func (f *dataFlags) given(a *app) (server.Secrets, error) {
	o := f.Secrets
	o.Environ = a.env
	var err error
	o.Data, err = filepath.Abs(o.Data)
	return o, err
}

// openBackup opens a backup, - is the standard input.
func (a *app) openBackup(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(a.In), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, clierror.Usagef("name the file of a backup", "cannot read the backup: %v", err)
	}
	return f, nil
}
