package main

import (
	_ "embed"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// packagesTable is written by the test of test/packages.
//
//go:embed packages.tsv
var packagesTable string

// testedPackage is a package of PyPI that was run in a function.
type testedPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Status  string `json:"status"` // works, differs or needs native code
	Detail  string `json:"detail"` // how it differs, or the package that has the native code
}

// testedPackages returns the packages of the table.
func testedPackages() []testedPackage {
	var list []testedPackage
	for line := range strings.Lines(packagesTable) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, testedPackage{f[0], f[1], f[2], f[3]})
	}
	return list
}

func newPackages(a *app) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "packages [NAME] [--json | --quiet]",
		GroupID: groupFunctions,
		Short:   "List packages of PyPI that were tested in functions",
		Long: `List packages of PyPI that were tested in functions, with the tested version: those that
work, those that differ, and those that need native code, which functions cannot run. The
server is not asked.

A package that is not in the list works if it is Python code, or has Python code beside
its extension modules, and needs neither network, threads nor processes: deploy it and
see. "fas deploy" installs packages.

With --json the output is a list of objects with the fields name, version, status (works,
differs, or needs native code) and detail.`,
		Example: `  fas packages
  fas packages requests`,
		Args: argumentsAndMore(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			list := testedPackages()
			if len(args) > 0 {
				name := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(args[0]))
				list = slices.DeleteFunc(list, func(p testedPackage) bool { return p.Name != name })
				if len(list) == 0 {
					return runtime.Errorf(runtime.CodeNotFound, "the package %s was not tested", args[0]).
						WithHint("deploy a function that imports it: it works if it is Python code and needs no network")
				}
			}
			return printList(a, &flags, list, packageTable(a.Out, ui.IsTerminal(a.Out)), func(p testedPackage) string { return p.Name }, "")
		},
	}
	flags.add(cmd, "the names")
	return cmd
}

// packageTable returns the table of packages.
func packageTable(out io.Writer, people bool) *ui.Table[testedPackage] {
	return &ui.Table[testedPackage]{
		Out: out, ForPeople: people, Heading: "PACKAGE\tVERSION\tRESULT\tDETAIL", Elastic: "DETAIL",
		Row: func(p testedPackage, _ bool) string {
			return strings.Join([]string{p.Name, p.Version, p.Status, p.Detail}, "\t")
		},
	}
}
