// Package config owns the profile file, fasconf.yaml: which servers there are
// and which of them commands talk to. The file is shared with the Python
// client and edited by hand, so a change made here keeps comments, the order of
// entries and keys that this package does not know.
//
// It refuses to know what a server or an environment is: the caller says which
// file, and what a profile is used for.
//
// A [File] belongs to one goroutine. [Update] may be called concurrently, also
// by several processes: it locks, reads, changes and replaces the file as one
// step, and a reader sees the file before or after, never between.
//
//	err := config.Update(path, func(f *config.File) error {
//		if err := f.SetProfile("local", config.Profile{Host: "127.0.0.1", Port: 8080, Token: token}); err != nil {
//			return err
//		}
//		return f.SetActive("local")
//	})
package config
