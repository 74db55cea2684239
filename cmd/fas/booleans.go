package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// joinBooleans returns args with each True or False that follows a flag that takes no value joined
// to the flag: FaaSpot's documents write such flags as parameters with Python's values, as in
// --wait True.
func joinBooleans(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil {
		return args
	}
	var joined []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(joined, args[i:]...)
		}
		if i+1 < len(args) && (args[i+1] == "True" || args[i+1] == "False") && isBoolean(cmd, args[i]) {
			joined = append(joined, args[i]+"="+strings.ToLower(args[i+1]))
			i++
			continue
		}
		joined = append(joined, args[i])
	}
	return joined
}

// isBoolean reports whether an argument is a flag of a command that takes no value, written without
// one.
func isBoolean(cmd *cobra.Command, arg string) bool {
	for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags(), cmd.InheritedFlags()} {
		var f *pflag.Flag
		if name, long := strings.CutPrefix(arg, "--"); long {
			f = flags.Lookup(name)
		} else if len(arg) == 2 && arg[0] == '-' {
			f = flags.ShorthandLookup(arg[1:])
		}
		if f != nil {
			return f.Value.Type() == "bool"
		}
	}
	return false
}
