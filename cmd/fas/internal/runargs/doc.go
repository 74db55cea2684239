// Package runargs reads the args of runs and tasks from the command line and from files.
//
// It owns the notation: key=value parameters, JSON objects, one object per line, and lists of
// tasks. It refuses to know what happens with the args. Errors name the place of a mistake, and are
// errors of usage.
//
//	parameters, err := runargs.ParseParameters([]string{"name=you, times=3"})
//	args, err := runargs.Build(nil, parameters) // {"name":"you","times":"3"}
package runargs
