package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/keyset"
)

// secretsName is the name of the file with the keys of secrets in the data folder.
const secretsName = "secrets.keys"

// Secrets say where the keys are with which a store encrypts secrets.
type Secrets struct {
	Data    string // path of the data folder
	File    string // path of the file with the keys; empty: secrets.keys in the data folder
	Environ environ.Environment
}

func (o Secrets) path() string {
	if o.File != "" {
		return o.File
	}
	return filepath.Join(o.Data, secretsName)
}

// load returns the keys of the environment, else those of the file. It fails with fs.ErrNotExist if
// there are none.
func (o Secrets) load() (*keyset.Keyset, error) {
	if text := o.Environ[environ.SecretsVar]; text != "" {
		k, err := keyset.Parse(text)
		if err != nil {
			return nil, clierror.Usagef("give keys of 32 bytes in base64, separated by commas; the last one encrypts", "the variable %s: %v", environ.SecretsVar, err)
		}
		return k, nil
	}
	k, err := keyset.Load(o.path())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, clierror.Usagef("name the folder of the data with --data, and a file that you may read with --secrets-file", "cannot read the keys of secrets: %v", err)
	}
	return k, err
}

// given returns the keys, nil if there are none.
func (o Secrets) given() (*keyset.Keyset, error) {
	k, err := o.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return k, err
}

// open returns the keys. If there are none, it generates one, which keep stores: the store calls keep
// before it encrypts anything for the first time, so that a folder whose keys are missing is refused,
// and gets no key that is useless. keep is nil if the keys are stored.
func (o Secrets) open(log *slog.Logger) (k *keyset.Keyset, keep func() error, err error) {
	k, err = o.load()
	if !errors.Is(err, fs.ErrNotExist) {
		return k, nil, err
	}
	if k, err = new(keyset.Keyset).WithNew(); err != nil {
		return nil, nil, err
	}
	return k, func() error {
		switch err := k.Create(o.path()); {
		case errors.Is(err, fs.ErrExist): // another process has started at the same time
			return clierror.Usagef("start the server again", "the file %s with the keys of secrets appeared a moment ago", o.path())
		case err != nil:
			return fmt.Errorf("store the key of secrets: %w", err)
		}
		log.Info("generated the key that encrypts secrets", "file", o.path(), "hint", "keep a copy elsewhere: without it, the secrets in a backup are lost")
		return nil
	}, nil
}

// RotateSecrets encrypts all secrets of the data folder with a new key, or with the last one of the
// environment, and removes the other keys from the file. It returns the number of records that it
// has changed. No server may use the folder.
func RotateSecrets(o Secrets, log *slog.Logger) (changed int, err error) {
	k, err := o.load()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, clierror.Usagef("name the folder with --data, and the file with --secrets-file if it is elsewhere; in a folder of an earlier release, the first start of the server makes it",
			"there are no keys in %s", o.path())
	}
	if err != nil {
		return 0, err
	}
	// The keys are those of another folder if there is no store in this one: replacing them would lose
	// that one's secrets.
	dir := filepath.Join(o.Data, storeName)
	if _, err := os.Stat(dir); err != nil {
		return 0, clierror.Usagef("name the folder with --data", "there is no data in %s: %v", o.Data, err)
	}
	inFile := o.Environ[environ.SecretsVar] == ""
	// As many keys as there may be are what rotations that failed have left. The last one is then new
	// enough.
	if inFile && k.Len() < keyset.MaxKeys {
		if k, err = k.WithNew(); err != nil {
			return 0, err
		}
	}
	// The store is opened first: if a server uses it, nothing changes.
	s, err := storage.Open(storage.Options{Dir: dir, Log: log, Keys: k})
	if err != nil {
		return 0, err
	}
	err = record(s, "secrets.rotate", "fas secrets rotate", func() (int, error) {
		if inFile {
			// Both keys are on disk before the first secret is encrypted with the new one.
			if err := k.Save(o.path()); err != nil {
				return 0, err
			}
		}
		var err error
		changed, err = s.Reseal()
		return changed, err
	})
	if err = errors.Join(err, s.Close()); err == nil && inFile {
		err = k.Only().Save(o.path())
	}
	return changed, err
}
