// Package keyset owns the keys with which the store encrypts secrets, and the form of what they have
// encrypted. The last key encrypts; all decrypt.
//
// A set of keys does not change; those that have been read may be used concurrently.
package keyset

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Marker is the first byte of an encrypted value. No other value begins with it.
const Marker = 0xF5

const (
	idSize = 4
	// header is the number of bytes before the ciphertext: marker, id of the key, nonce.
	header = 1 + idSize + chacha20poly1305.NonceSizeX
	// MaxKeys bounds the keys of a set.
	MaxKeys = 100
	// keyMode is the mode of a file with keys.
	keyMode fs.FileMode = 0o600
)

// ErrNoKey reports a value that is encrypted with a key that the set does not have, or that was
// changed.
var ErrNoKey = errors.New("a secret cannot be decrypted: its key is missing, or it was changed")

// Keyset is a set of keys, in the order of their age.
type Keyset struct{ keys []key }

type key struct {
	id     [idSize]byte // the beginning of the key's SHA-256
	secret []byte
	aead   cipher.AEAD
}

// Parse reads keys of 32 bytes in base64, separated by space or commas. The last one encrypts. Lines
// that begin with # are ignored.
func Parse(text string) (*Keyset, error) {
	k := &Keyset{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n' }) {
			secret, err := base64.StdEncoding.DecodeString(word)
			if err != nil || len(secret) != chacha20poly1305.KeySize {
				return nil, fmt.Errorf("key %d is not %d bytes in base64", len(k.keys)+1, chacha20poly1305.KeySize)
			}
			if k, err = k.with(secret); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case len(k.keys) == 0:
		return nil, errors.New("there is no key")
	case len(k.keys) > MaxKeys:
		return nil, fmt.Errorf("there are more than %d keys", MaxKeys)
	}
	return k, nil
}

// with returns a set that has one more key, which encrypts.
func (k *Keyset) with(secret []byte) (*Keyset, error) {
	aead, err := chacha20poly1305.NewX(secret)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(secret)
	return &Keyset{keys: append(k.keys[:len(k.keys):len(k.keys)], key{[idSize]byte(sum[:idSize]), secret, aead})}, nil
}

// WithNew returns a set that has a new random key too, which encrypts.
func (k *Keyset) WithNew() (*Keyset, error) {
	secret := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(secret) // never fails
	return k.with(secret)
}

// Newest returns a set of only the key that encrypts.
func (k *Keyset) Newest() *Keyset { return &Keyset{keys: k.keys[len(k.keys)-1:]} }

// Len returns the number of keys.
func (k *Keyset) Len() int { return len(k.keys) }

// Load reads the keys of a file. If there is no such file, it fails with fs.ErrNotExist.
func Load(path string) (*Keyset, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// Save replaces a file by one with these keys, which only its owner can read. Of a symbolic link it
// replaces the file to which it leads. It also removes what saves that were interrupted have left. The
// file is durable when Save returns nil.
func (k *Keyset) Save(path string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	left, err := k.write(path, os.Rename)
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// Create saves the keys if there is no such file, else it fails with fs.ErrExist: of two processes that
// create a file at once, one does.
func (k *Keyset) Create(path string) error {
	_, err := k.write(path, linkNew)
	return err
}

// linkNew gives a file its name unless there is a file of that name. File systems without hard links
// have no such step: there it looks first.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// write writes the keys to a file, which put gives its name. left are files of the kind that others have
// written but not put.
func (k *Keyset) write(path string, put func(from, to string) error) (left []string, err error) {
	var text bytes.Buffer
	text.WriteString("# Keys of the secrets that faaspot has encrypted. The last one encrypts. Without them, the secrets are lost.\n")
	for _, key := range k.keys {
		text.WriteString(base64.StdEncoding.EncodeToString(key.secret) + "\n")
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name()) // unless it was renamed
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Chmod(keyMode), f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err = put(f.Name(), path); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		if strings.HasPrefix(name, "."+filepath.Base(path)+".") && name != filepath.Base(f.Name()) {
			left = append(left, filepath.Join(dir, name))
		}
	}
	return left, errors.Join(err, d.Sync(), d.Close())
}

// Seal returns a value encrypted. Only at the same place can it be decrypted; the store's places are
// the keys of records, which begin with the tenant.
func (k *Keyset) Seal(place, value []byte) []byte {
	newest := k.keys[len(k.keys)-1]
	sealed := make([]byte, header, header+len(value)+newest.aead.Overhead())
	sealed[0] = Marker
	copy(sealed[1:], newest.id[:])
	nonce := sealed[1+idSize : header]
	_, _ = rand.Read(nonce) // never fails
	return newest.aead.Seal(sealed, nonce, value, place)
}

// Open decrypts what Seal returned for the place.
func (k *Keyset) Open(place, sealed []byte) ([]byte, error) {
	if len(sealed) < header || sealed[0] != Marker {
		return nil, ErrNoKey
	}
	for _, key := range k.keys {
		if !bytes.Equal(key.id[:], sealed[1:1+idSize]) {
			continue
		}
		value, err := key.aead.Open(nil, sealed[1+idSize:header], sealed[header:], place)
		if err == nil {
			return value, nil
		}
	}
	return nil, ErrNoKey
}

// Fresh reports whether a value is encrypted with the key that encrypts.
func (k *Keyset) Fresh(value []byte) bool {
	return len(value) >= header && value[0] == Marker && bytes.Equal(value[1:1+idSize], k.keys[len(k.keys)-1].id[:])
}
