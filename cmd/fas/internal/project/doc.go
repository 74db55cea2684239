// Package project finds the functions and the jobs of a folder, with their settings: those that
// `fas dev` serves and `fas deploy` deploys.
//
// It refuses to know how to talk to a server.
//
//	p, err := project.Scan(project.Options{Path: ".", Name: name, Env: os.LookupEnv})
//	for _, f := range p.Functions {
//		code, context, err := f.Texts()
//		...
//	}
package project
