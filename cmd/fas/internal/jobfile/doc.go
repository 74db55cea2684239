// Package jobfile owns the files that define jobs: job.toml, and JSON as the API accepts it. It
// turns a file into the body of a request, and reports an error at its line and column, whether it
// has found the error itself or the server has. It also reads faaspot.toml: the settings of the
// function in a folder, or the functions and the jobs of a project.
//
// It refuses to know where files are, and how to talk to a server.
//
//	f, err := jobfile.Parse("job.toml", data, os.LookupEnv)
//	// f.Name, and f.Body for the server
//	...
//	err = f.Locate(err) // an error of the server, with its line in the file
package jobfile
