package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
)

// Bounds of --limit of `fas admin df`.
const (
	usualRows = 20
	maxRows   = 1000
)

func newAdminDf(a *app) *cobra.Command {
	var data dataFlags
	most := usualRows
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "df [--limit N] [--data FOLDER [--secrets-file FILE]] [--json]",
		Short: "Show what takes room on the disk of a server",
		Long: `Show what takes room in the store of the server: the tenants with the most bytes, by kind, and
the functions whose executions have the most. The command needs a token with the scope
operator. With --data it shows the same of a data folder that no server uses.

Sizes of tenants and functions are those before compression, which count towards limits;
the size of the tables is that of the files. On a terminal the output is tables; elsewhere
each line has tab-separated fields: "tenant", name, bytes, code, bundles, bytecode,
unfinished, executions (all in bytes); or "function", tenant, name, bytes, executions (a
number).

With --json it is an object with the fields

  tables (bytes of the files of the store), tenants (tenant, bytes, code, bundles,
  bytecode, unfinished, executions; in bytes), functions (tenant, function, rid,
  executions, bytes)`,
		Example: `  fas admin df --limit 5`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 1 || most > maxRows {
				return clierror.Usagef(fmt.Sprintf("give a number from 1 to %d", maxRows), "the --limit %d is out of bounds", most)
			}
			s, err := a.storage(cmd, data, most)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(s)
			}
			return a.writeStorage(s)
		},
	}
	cmd.Flags().IntVar(&most, "limit", usualRows, "show at most `N` tenants and functions")
	data.flags(cmd, "show the data `FOLDER`, which no server uses")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// storage returns what takes room in the store of the server, or in a data folder.
func (a *app) storage(cmd *cobra.Command, data dataFlags, most int) (s wire.Storage, err error) {
	if data.Data != "" {
		o, err := data.given(a)
		if err != nil {
			return s, err
		}
		return server.Breakdown(o, most)
	}
	if cmd.Flags().Changed("secrets-file") {
		return s, clierror.Usagef("add --data", "--secrets-file has no effect without --data")
	}
	c, err := a.connect()
	if err != nil {
		return s, err
	}
	defer c.Close()
	return c.Storage(cmd.Context(), most)
}

func (a *app) writeStorage(s wire.Storage) error {
	people := ui.IsTerminal(a.Out)
	size := func(n int64) string {
		if people {
			return ui.AboutSize(n)
		}
		return strconv.FormatInt(n, 10)
	}
	kind := func(name string) string {
		if people {
			return ""
		}
		return name + "\t"
	}
	if people {
		fmt.Fprintf(a.Out, "files of the store: %s\n\n", size(s.Tables))
	}
	tenants := ui.Table[wire.TenantStorage]{
		Out: a.Out, ForPeople: people, Heading: "TENANT\tBYTES\tCODE\tBUNDLES\tBYTECODE\tUNFINISHED\tEXECUTIONS", Elastic: "TENANT",
		Row: func(t wire.TenantStorage, _ bool) string {
			return kind("tenant") + fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", ui.OneLine(t.Tenant), size(t.Bytes), size(t.Code), size(t.Bundles), size(t.Bytecode), size(t.Unfinished), size(t.Executions))
		},
	}
	if err := tenants.Write(s.Tenants); err != nil {
		return err
	}
	if people {
		fmt.Fprintln(a.Out)
	}
	functions := ui.Table[wire.FunctionStorage]{
		Out: a.Out, ForPeople: people, Heading: "TENANT\tFUNCTION\tBYTES\tEXECUTIONS", Elastic: "FUNCTION\tTENANT",
		Row: func(f wire.FunctionStorage, _ bool) string {
			return kind("function") + fmt.Sprintf("%s\t%s\t%s\t%d", ui.OneLine(f.Tenant), ui.OneLine(f.Function), size(f.Bytes), f.Executions)
		},
	}
	return functions.Write(s.Functions)
}
