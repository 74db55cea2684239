package main

import (
	"fmt"
	"io"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/spf13/cobra"
)

func newProfilesList(a *app) *cobra.Command {
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:     "list [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the profiles",
		Long: `List the profiles in the order of the file. Tokens are masked.

On a terminal this is a table; elsewhere each profile is a line of fields with tabs
between them, without a heading: name, * if it is the one in use, url, token.

With --json it is an array of objects with the fields

` + profileFields,
		Example: `  fas profiles list
  fas profiles list -q`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "json", "quiet"); err != nil {
				return err
			}
			f, err := a.loadProfiles()
			if err != nil {
				return err
			}
			list := make([]shownProfile, 0, len(f.Names()))
			for _, name := range f.Names() {
				p, err := a.showProfile(f, name)
				if err != nil {
					return err
				}
				list = append(list, p)
			}
			switch {
			case asJSON:
				return a.WriteJSON(list)
			case quiet:
				for _, p := range list {
					fmt.Fprintln(a.Out, p.Name)
				}
				return nil
			}
			people := ui.IsTerminal(a.Out)
			if people && len(list) == 0 {
				fmt.Fprintf(a.Err, "no profiles in %s: %s\n", f.Path(), profilesHint(f))
				return nil
			}
			return profileTable(a.Out, people).Write(list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	return cmd
}

// profileTable shows profiles.
func profileTable(out io.Writer, people bool) *ui.Table[shownProfile] {
	return &ui.Table[shownProfile]{
		Out: out, ForPeople: people, Heading: "NAME\tIN USE\tURL\tTOKEN",
		Row: func(p shownProfile, _ bool) string {
			mark := ""
			if p.Active {
				mark = "*"
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s", p.Name, mark, p.URL, p.Token)
		},
	}
}
