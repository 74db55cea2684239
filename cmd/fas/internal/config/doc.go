// Package config owns the profile file, fasconf.yaml: the known servers, and the one that commands
// talk to. The Python client reads the file too, and people edit it by hand, so a change by this
// package preserves comments, the order of entries and unknown keys.
//
// It refuses to know servers and the environment: the caller names the file, and decides how to use
// a profile.
//
// A [File] belongs to one goroutine. [Update] may be called concurrently, even by several
// processes: it locks, reads, changes and replaces the file in one step. Readers see the file
// before or after it.
//
//	err := config.Update(path, func(f *config.File) error {
//		if err := f.SetProfile("local", config.Profile{Host: "127.0.0.1", Port: 8080, Token: token}); err != nil {
//			return err
//		}
//		return f.SetActive("local")
//	})
package config
