package main

import (
	_ "embed"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/suggest"
)

// packagesTable is written by the test of test/packages.
//
//go:embed packages.tsv
var packagesTable string

// testedPackage is a package of PyPI that was deployed in a function.
type testedPackage struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Status  string   `json:"status"`  // works, imports, differs, needs native code or not importable
	Detail  string   `json:"detail"`  // how it differs, what needs native code and what to use instead, or why it is not importable
	Modules []string `json:"modules"` // that it was imported as; empty if that is not known
}

// testedPackages returns the packages of the table.
func testedPackages() []testedPackage {
	var list []testedPackage
	for line := range strings.Lines(packagesTable) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, testedPackage{f[0], f[1], f[2], f[3], append([]string{}, strings.Fields(f[4])...)})
	}
	return list
}

// findPackages returns the packages that a requirement such as "Requests[socks]>=2" names, or that have the
// module of that name.
func findPackages(list []testedPackage, requirement string) (found []testedPackage) {
	name := requirement
	if end := strings.IndexAny(name, " [(<>=!~;@"); end >= 0 {
		name = name[:end]
	}
	normal := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
	for _, p := range list {
		if p.Name == normal {
			return []testedPackage{p}
		}
	}
	for _, p := range list {
		if slices.ContainsFunc(p.Modules, func(m string) bool { return name == m || strings.HasPrefix(name, m+".") }) {
			found = append(found, p)
		}
	}
	return found
}

// untested returns the error about packages that are not in the list.
func untested(list []testedPackage, missing []string) error {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	hint := "deploy a function that imports it: it works if it is Python code"
	if near := suggest.Closest(missing[0], names); near != "" {
		hint = "did you mean " + near + "? Else " + hint
	}
	what := "the package " + missing[0] + " was not tested"
	if len(missing) > 1 {
		what = "the packages " + strings.Join(missing, ", ") + " were not tested"
	}
	return runtime.Errorf(runtime.CodeNotFound, "%s", what).WithHint(hint)
}

func newPackages(a *app) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "packages [NAME...] [--json | --quiet]",
		GroupID: groupFunctions,
		Short:   "List packages of PyPI that were tested in functions",
		Long: `List packages of PyPI that were tested in functions, with the tested version. The server
is not asked. Among them are the 300 most downloaded. The result of a package is one of

  works              a program returns the same as native CPython
  imports            its modules can be imported, with the same names
  differs            the detail says how
  needs native code  which functions cannot run; the detail says what to use instead
  not importable     in native CPython neither, or it has no modules

A NAME is that of a package, as in requirements.txt, or that of a module, such as yaml.

A package that is not in the list works if it is Python code, or has Python code beside
its extension modules, and needs neither threads nor processes: deploy it and
see. "fas deploy" installs packages.

With --json the output is a list of objects with the fields name, version, status (the
result), detail, and modules, a list of the names that the package is imported by.`,
		Example: `  fas packages
  fas packages requests yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			all := testedPackages()
			list := all
			table := packageTable(a.Out, ui.IsTerminal(a.Out))
			var missing []string
			if len(args) > 0 {
				list, table.Elastic = nil, "" // the detail is what the user asks for
			}
			for _, arg := range args {
				found := findPackages(all, arg)
				if len(found) == 0 {
					missing = append(missing, arg)
				}
				list = append(list, found...)
			}
			if len(args) == 0 || len(list) > 0 {
				if err := printList(a, &flags, list, table, func(p testedPackage) string { return p.Name }, ""); err != nil {
					return err
				}
			}
			if len(missing) > 0 {
				return untested(all, missing)
			}
			return nil
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
