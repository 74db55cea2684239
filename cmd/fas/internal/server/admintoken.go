package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// settingAdminToken is the setting of the store that holds the SHA-256 of
	// the admin token, in hex.
	settingAdminToken = "admin_token_sha256"
	// adminTokenBytes is the number of random bytes in a token: too many to guess, so that a plain
	// hash protects the token as well as a slow one.
	adminTokenBytes = 32
	// localProfile is the name of the profile that the server writes, unless the name is taken.
	localProfile = "local"
)

// settings stores the server's own settings.
type settings interface {
	// Setting returns a value. A missing value is a CodeNotFound error.
	Setting(name string) ([]byte, error)
	// PutSetting stores a value durably before it returns.
	PutSetting(name string, value []byte) error
}

// admin is the state of the admin token at start.
type admin struct {
	hash    httpapi.TokenHash
	token   string // empty if this user does not have it
	profile string // name of the profile that has the token; empty: none
	active  bool   // that profile is the active one
	given   bool   // the token comes from FAASPOT_ADMIN_TOKEN
}

// adminKeeper loads, generates and publishes the admin token.
type adminKeeper struct {
	settings settings
	given    string // FAASPOT_ADMIN_TOKEN
	config   string // path of the profile file
	data     string // absolute path of the data folder
	at       place
	trust    string // path of the certificate to trust; empty: authorities of the system
	log      *slog.Logger
	fixed    bool // the profile may not be written any more
}

// open loads the admin token. At the first start, and if reset, it generates one.
//
// A generated token is written to the profile before its hash is stored. If the first start is cut
// short between the two, the second start generates another token and replaces the profile's.
func (k adminKeeper) open(reset bool) (admin, error) {
	if k.given != "" {
		if reset {
			return admin{}, clierror.Usagef("change the variable, or unset it", "--reset-admin-token has no effect while %s is set", environ.AdminTokenVar)
		}
		return admin{hash: httpapi.HashToken(k.given), token: k.given, given: true}, nil
	}
	stored, err := k.settings.Setting(settingAdminToken)
	if reset || runtime.CodeOf(err) == runtime.CodeNotFound {
		return k.generate()
	}
	if err != nil {
		return admin{}, fmt.Errorf("read the admin token's hash: %w", err)
	}
	var a admin
	hash, err := hex.DecodeString(string(stored))
	if err != nil || len(hash) != sha256.Size {
		return admin{}, runtime.Errorf(runtime.CodeInternal, "the admin token's hash in %s is damaged", k.data).
			WithHint("generate a new token with `fas serve --reset-admin-token`")
	}
	copy(a.hash[:], hash)
	if !k.fixed {
		k.refresh(&a)
	}
	return a, nil
}

// generate generates a token and publishes it in a profile.
func (k adminKeeper) generate() (admin, error) {
	random := make([]byte, adminTokenBytes)
	rand.Read(random)
	token := base64.RawURLEncoding.EncodeToString(random)
	a := admin{hash: httpapi.HashToken(token), token: token}
	var used string
	err := config.Update(k.config, func(f *config.File) error {
		name, p := k.own(f)
		if name == "" {
			name = freeName(f)
		}
		k.address(&p)
		p.Token, p.ServerData = token, k.data
		if err := f.SetProfile(name, p); err != nil {
			return err
		}
		a.profile = name
		if used = f.Active(); used == "" || !slices.Contains(f.Names(), used) {
			used = name
		}
		a.active = used == name
		return f.SetActive(used)
	})
	if err != nil {
		return admin{}, runtime.Errorf(runtime.CodeInternal, "cannot write the admin token to a profile: %v", err).
			WithHint("set " + environ.DirVar + " to a writable folder, or set the token with " + environ.AdminTokenVar)
	}
	if err := k.settings.PutSetting(settingAdminToken, []byte(hex.EncodeToString(a.hash[:]))); err != nil {
		return admin{}, fmt.Errorf("store the admin token's hash: %w", err)
	}
	k.log.Info("generated an admin token and wrote it to a profile", "profile", a.profile, "file", k.config)
	if !a.active {
		k.log.Info("commands use another profile by default", "profile", used, "hint", "use --profile "+a.profile)
	}
	return a, nil
}

// refresh finds the profile that this server wrote, and updates the address in it.
func (k adminKeeper) refresh(a *admin) {
	var moved string // the data folder that the profile named before
	err := config.Update(k.config, func(f *config.File) error {
		name, p := k.holder(f, a.hash)
		if name == "" {
			return nil
		}
		a.token, a.profile, a.active = p.Token, name, f.Active() == name
		if p.ServerData == "" {
			return nil // a profile of the user
		}
		moved, p.ServerData = p.ServerData, k.data
		k.address(&p)
		return f.SetProfile(name, p)
	})
	if err != nil {
		// The server works, but the command line may not find it.
		k.log.Warn("cannot update the profile file", "error", err)
		return
	}
	if moved != "" && moved != k.data {
		k.log.Info("the data folder has moved: the profile now leads to this server", "profile", a.profile, "file", k.config, "before", moved)
	}
	if a.profile == "" {
		k.log.Warn("no profile of this user has the admin token", "file", k.config,
			"hint", "set FAASPOT_TOKEN for clients, or generate a new token with `fas serve --reset-admin-token`")
	}
}

// holder returns the profile that has the admin token: the one that this server wrote, else one that
// it wrote when its data folder was elsewhere, else any other.
func (k adminKeeper) holder(f *config.File, hash httpapi.TokenHash) (name string, p config.Profile) {
	best := 0
	for _, candidate := range f.Names() {
		c, ok, err := f.Profile(candidate)
		if err != nil || !ok {
			continue
		}
		got := httpapi.HashToken(c.Token)
		if subtle.ConstantTimeCompare(got[:], hash[:]) != 1 {
			continue
		}
		rank := 1
		switch c.ServerData {
		case k.data:
			rank = 3
		case "":
		default:
			rank = 2
		}
		if rank > best {
			best, name, p = rank, candidate, c
		}
	}
	return name, p
}

// own returns the profile that this server wrote, which names its data folder. The server neither
// changes other profiles nor reports mistakes in them.
func (k adminKeeper) own(f *config.File) (string, config.Profile) {
	for _, name := range f.Names() {
		if p, _, err := f.Profile(name); err == nil && p.ServerData == k.data {
			return name, p
		}
	}
	return "", config.Profile{}
}

// address sets the address of a profile. Clients trust the certificate that the server has in a file.
func (k adminKeeper) address(p *config.Profile) {
	p.Host, p.Port, p.Protocol, p.SSLEnabled, p.SSLCertificate = k.at.host, k.at.port, k.at.scheme(), k.at.secure, k.trust
}

// freeName returns a name for the profile that no other profile has.
func freeName(f *config.File) string {
	names := f.Names()
	name := localProfile
	for i := 2; slices.Contains(names, name); i++ {
		name = localProfile + "-" + strconv.Itoa(i)
	}
	return name
}

// openAdmin loads or generates the admin token.
func (s *server) openAdmin() (admin, error) {
	k := adminKeeper{settings: s.store, given: s.Environ[environ.AdminTokenVar], data: s.Data, at: s.at, trust: s.TLSCert, log: s.log, fixed: s.node.confined()}
	if k.given == "" {
		path, err := s.Environ.ConfigPath()
		if err != nil {
			// A service has no home folder. Its profile then is next to its data, which only it can read.
			path = filepath.Join(s.Data, "fasconf.yaml")
			s.log.Info("the home folder is not known: the profile of the server is in its data folder", "file", path,
				"hint", "set "+environ.ConfigVar+" to this file for commands")
		}
		k.config = path
	}
	if !s.ResetAdminToken || k.given != "" {
		return k.open(s.ResetAdminToken)
	}
	var a admin
	err := record(s.store, "admin_token.reset", "fas serve --reset-admin-token", func() (_ int, err error) {
		a, err = k.open(true)
		return 1, err
	})
	return a, err
}

// followAdmin returns the admin token that the environment or the store has. It changes nothing.
func (s *server) followAdmin() (admin, error) {
	k := adminKeeper{settings: s.store, given: s.Environ[environ.AdminTokenVar], data: s.Data, log: s.log, fixed: true}
	if _, err := s.store.Setting(settingAdminToken); k.given == "" && runtime.CodeOf(err) == runtime.CodeNotFound {
		return admin{}, nil // the owner makes one
	}
	return k.open(false)
}
