package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
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
	// adminTokenBytes of randomness cannot be guessed, so that a plain hash
	// guards the token as well as any slow one would.
	adminTokenBytes = 32
	// localProfile is what the server calls the profile that it writes, if
	// nothing else has that name.
	localProfile = "local"
)

// settings is where the server keeps what is about itself.
type settings interface {
	// Setting gets a value. That there is none is a CodeNotFound error.
	Setting(name string) ([]byte, error)
	// PutSetting keeps a value for good before it returns.
	PutSetting(name string, value []byte) error
}

// admin is how the admin token stands at start.
type admin struct {
	hash    httpapi.TokenHash
	token   string // empty if it is known to others only
	profile string // name of the profile that has it; empty if none has
	active  bool   // that profile is the one in use
	given   bool   // by FAASPOT_ADMIN_TOKEN
}

// adminKeeper finds, draws and publishes the admin token.
type adminKeeper struct {
	settings settings
	given    string // FAASPOT_ADMIN_TOKEN
	config   string // path of the profile file
	data     string // absolute path of the data folder
	at       place
	log      *slog.Logger
}

// open finds the admin token, or draws one at the first start or if reset.
//
// A drawn token is written to the profile before its hash is kept: if the first
// start is cut short between the two, the second one draws again and replaces the
// profile's token.
func (k adminKeeper) open(reset bool) (admin, error) {
	if k.given != "" {
		if reset {
			return admin{}, clierror.Usagef("change the variable, or unset it", "--reset-admin-token has no use while %s is set", environ.AdminTokenVar)
		}
		return admin{hash: httpapi.HashToken(k.given), token: k.given, given: true}, nil
	}
	kept, err := k.settings.Setting(settingAdminToken)
	if reset || runtime.CodeOf(err) == runtime.CodeNotFound {
		return k.draw()
	}
	if err != nil {
		return admin{}, fmt.Errorf("read the admin token's hash: %w", err)
	}
	var a admin
	hash, err := hex.DecodeString(string(kept))
	if err != nil || len(hash) != sha256.Size {
		return admin{}, runtime.Errorf(runtime.CodeInternal, "the admin token's hash in %s is damaged", k.data).
			WithHint("draw a new token with `fas serve --reset-admin-token`")
	}
	copy(a.hash[:], hash)
	k.refresh(&a)
	return a, nil
}

func (k adminKeeper) draw() (admin, error) {
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
		return admin{}, runtime.Errorf(runtime.CodeInternal, "the admin token cannot be given to the command line: %v", err).
			WithHint("set " + environ.DirVar + " to a folder that can be written, or choose the token yourself with " + environ.AdminTokenVar)
	}
	if err := k.settings.PutSetting(settingAdminToken, []byte(hex.EncodeToString(a.hash[:]))); err != nil {
		return admin{}, fmt.Errorf("keep the admin token's hash: %w", err)
	}
	k.log.Info("drew an admin token and wrote it to a profile", "profile", a.profile, "file", k.config)
	if !a.active {
		k.log.Info("commands go to the server of another profile unless told otherwise", "profile", used, "hint", "use --profile "+a.profile)
	}
	return a, nil
}

// refresh looks for the profile that this server wrote, and tells it where the
// server listens now.
func (k adminKeeper) refresh(a *admin) {
	err := config.Update(k.config, func(f *config.File) error {
		name, p := k.own(f)
		if name == "" {
			return nil
		}
		hash := httpapi.HashToken(p.Token)
		if subtle.ConstantTimeCompare(hash[:], a.hash[:]) != 1 {
			return nil
		}
		a.token, a.profile, a.active = p.Token, name, f.Active() == name
		k.address(&p)
		return f.SetProfile(name, p)
	})
	if err != nil {
		// The server works; only this machine's command line may not find it.
		k.log.Warn("the profile file cannot be brought up to date", "error", err)
		return
	}
	if a.profile == "" {
		k.log.Warn("no profile of this user has the admin token", "file", k.config,
			"hint", "set FAASPOT_TOKEN for clients, or draw a new token with `fas serve --reset-admin-token`")
	}
}

// own finds the profile that this server wrote: the one with its data folder.
// Others are never changed, and what is wrong in them is not for the server to
// tell.
func (k adminKeeper) own(f *config.File) (string, config.Profile) {
	for _, name := range f.Names() {
		if p, _, err := f.Profile(name); err == nil && p.ServerData == k.data {
			return name, p
		}
	}
	return "", config.Profile{}
}

// address points a profile to where the server listens. The server itself does
// not speak TLS.
func (k adminKeeper) address(p *config.Profile) {
	p.Host, p.Port, p.Protocol, p.SSLEnabled = k.at.host, k.at.port, "http", false
}

func freeName(f *config.File) string {
	names := f.Names()
	name := localProfile
	for i := 2; slices.Contains(names, name); i++ {
		name = localProfile + "-" + strconv.Itoa(i)
	}
	return name
}
