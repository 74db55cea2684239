package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newProfilesList(a *app) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "list [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the profiles",
		Long: `List the profiles in the order of the file, with masked tokens.

On a terminal the output is a table; elsewhere each profile is a line of tab-separated
fields without a heading: name, * if it is active, url, token.

With --json it is an array of objects with the fields

` + profileFields,
		Example: `  fas profiles list
  fas profiles list -q`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
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
			return printList(a, &flags, list, profileTable(a.Out, ui.IsTerminal(a.Out)),
				func(p shownProfile) string { return p.Name },
				fmt.Sprintf("no profiles in %s: %s", f.Path(), profilesHint(f)))
		},
	}
	flags.add(cmd, "names")
	return cmd
}

// profileTable returns the table of profiles.
func profileTable(out io.Writer, people bool) *ui.Table[shownProfile] {
	return &ui.Table[shownProfile]{
		Out: out, ForPeople: people, Heading: "NAME\tIN USE\tURL\tTOKEN", Elastic: "URL",
		Row: func(p shownProfile, _ bool) string {
			mark := ""
			if p.Active {
				mark = "*"
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s", p.Name, mark, p.URL, p.Token)
		},
	}
}
