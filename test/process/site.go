//go:build linux

package process

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const (
	// publicURL is the URL that all servers put into their answers, so that an execution is the
	// same text whatever port a server got.
	publicURL = "http://faaspot.test"

	token         = "a token of these tests alone"
	envAdminToken = "FAASPOT_ADMIN_TOKEN"

	// DataMode is the mode of a server's data folder.
	DataMode fs.FileMode = 0o700
)

// Site is a data folder on which servers run one after the other.
type Site struct {
	Home  string // home folder of the user who runs the servers
	Data  string // data folder
	Token string
	Enter []string // beginning of the command that runs a server, such as one that enters a namespace
	flags []string // of fas serve, beyond the common ones
}

// NewSite returns a site whose data folder is empty but for the compiled guest, which all sites
// share.
func NewSite(t *testing.T, flags ...string) *Site {
	t.Helper()
	home := t.TempDir()
	return NewSiteIn(t, home, filepath.Join(home, "data"), flags...)
}

// NewSiteIn is NewSite with the data in another folder.
func NewSiteIn(t *testing.T, home, data string, flags ...string) *Site {
	t.Helper()
	s := &Site{Home: home, Data: data, Token: token, flags: flags}
	if err := os.MkdirAll(s.Data, DataMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(Guest(t), filepath.Join(s.Data, "cache")); err != nil {
		t.Fatal(err)
	}
	return s
}
