package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newAdminBackup(a *app) *cobra.Command {
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE [--data FOLDER [--secrets-file FILE]] [--json]",
		Short: "Back up all data of a server, while it serves",
		Long: `Write a backup of all data of the server to FILE, a tar archive, while it serves. The
backup has everything that the server had acknowledged when the command began. FILE - is
the standard output. The command needs a token with the scope operator, such as the
server's own token.

With --data the backup is of a data folder that no server uses.

A backup has no keys: secrets are in it as the server has stored them, encrypted. To
restore it you also need a copy of the file secrets.keys of the data folder, or what was
in FAASPOT_SECRETS_KEYS. Keep that copy elsewhere. A backup has the code of all tenants
and what it returned and logged; only its owner can read FILE.

With --json the output is an object with the fields

  file, release (that made the backup), time (RFC 3339), files, bytes`,
		Example: `  fas admin backup faaspot-$(date +%F).tar
  fas admin backup - | age -r "$RECIPIENT" > faaspot.tar.age`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, err := a.backupSource(cmd, data)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				if asJSON || ui.IsTerminal(a.Out) {
					return clierror.Usagef("give a file, or redirect the output", "a backup is a tar archive, which is not for a terminal or JSON")
				}
				return write(cmd.Context(), a.Out)
			}
			c, err := a.writeBackup(cmd.Context(), args[0], write)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(struct {
					File string `json:"file"`
					server.BackupContents
				}{args[0], c})
			}
			_, err = fmt.Fprintf(a.Out, "%s: %s in %d files\n", args[0], ui.SizeText(c.Bytes), c.Files)
			return err
		},
	}
	data.flags(cmd, "back up the data `FOLDER`, which no server uses")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// backupSource returns what writes the backup: the server, or the command itself.
func (a *app) backupSource(cmd *cobra.Command, data dataFlags) (func(context.Context, io.Writer) error, error) {
	if data.Data != "" {
		o, err := data.given(a)
		return func(ctx context.Context, w io.Writer) error { return server.Backup(ctx, o, version(), w) }, err
	}
	if cmd.Flags().Changed("secrets-file") {
		return nil, clierror.Usagef("add --data", "--secrets-file has no effect without --data")
	}
	c, err := a.connect()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, w io.Writer) error {
		defer c.Close()
		return c.Backup(ctx, w)
	}, nil
}

// writeBackup writes a backup to a new file, and checks what the file has. The file appears only when it
// is complete and durable.
func (a *app) writeBackup(ctx context.Context, path string, write func(context.Context, io.Writer) error) (c server.BackupContents, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return c, runtime.Errorf(runtime.CodeAlreadyExists, "%s already exists; nothing was written", path).WithHint("choose another file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part") // mode 0600
	if err != nil {
		return c, clierror.Usagef("choose another file", "cannot write the backup: %v", err)
	}
	defer os.Remove(f.Name()) // unless it was renamed
	defer f.Close()
	status := a.StatusLine()
	defer status.Clear()
	began := time.Now()
	status.Set(func() string {
		size := int64(0)
		if info, err := os.Stat(f.Name()); err == nil {
			size = info.Size()
		}
		return fmt.Sprintf("backing up, %s, %s", ui.SizeText(size), ui.SecondsText(time.Since(began)))
	})
	if err := write(ctx, f); err != nil {
		return c, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return c, err
	}
	if c, err = server.CheckBackup(f); err != nil {
		return c, err
	}
	if err := errors.Join(f.Sync(), os.Rename(f.Name(), path)); err != nil {
		return c, fmt.Errorf("write the backup: %w", err)
	}
	return c, nil
}
