package server

import (
	"path/filepath"

	"github.com/faaspot/faaspot/cmd/fas/internal/confine"
)

// confine gives up the rights of the process that the server does not need to serve: see "Walls around
// the server" in SECURITY.md.
func (s *server) confine() {
	if s.Unconfined {
		s.log.Warn("the server keeps all rights of its user, so that an escape from the sandbox has them too",
			"hint", "use --unconfined for debugging only")
		return
	}
	s.walls = confine.Process(s.rights())
	s.walls.Log(s.log)
}

// rights are the files that the server uses once it runs functions.
func (s *server) rights() confine.Options {
	o := confine.Options{Write: []string{s.Data}}
	if s.Cache != "" {
		o.Write = append(o.Write, s.cacheFolder())
	}
	if s.certificate != nil {
		o.Read = foldersOf(s.certificate.cert, s.certificate.key)
	}
	o.Read = append(o.Read, s.readAgain()...)
	if s.AddressFile != "" {
		o.Create = []string{filepath.Dir(s.AddressFile)}
	}
	return o
}
