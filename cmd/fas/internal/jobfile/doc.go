// Package jobfile owns the files that say what a job is: job.toml, and the JSON
// that the API takes. It turns one into the body of a request, and tells what is
// wrong with it at its line and column, whether it has found that itself or the
// server has.
//
// It refuses to know where files are, and to talk to a server.
//
//	f, err := jobfile.Parse("job.toml", data, os.LookupEnv)
//	// f.Name, and f.Body for the server
//	...
//	err = f.Locate(err) // what the server said, at its line
package jobfile
