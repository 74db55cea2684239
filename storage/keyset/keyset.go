// Package keyset owns the keys with which the store encrypts secrets, and the form of what they have
// encrypted. One key encrypts, the last one of a set that was read; all decrypt.
//
// A set of keys does not change; those that have been read may be used concurrently.
package keyset

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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
type Keyset struct {
	keys []key
	use  int // the index of the key that encrypts
}

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
	return &Keyset{keys: append(k.keys[:len(k.keys):len(k.keys)], key{[idSize]byte(sum[:idSize]), secret, aead}), use: len(k.keys)}, nil
}

// WithNew returns a set that has a new random key too, which encrypts.
func (k *Keyset) WithNew() (*Keyset, error) {
	secret := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(secret) // never fails
	return k.with(secret)
}

// Only returns a set of only the key that encrypts.
func (k *Keyset) Only() *Keyset { return &Keyset{keys: k.keys[k.use : k.use+1]} }

// WithLast returns a set with the same keys, of which the last one encrypts.
func (k *Keyset) WithLast() *Keyset { return &Keyset{keys: k.keys, use: len(k.keys) - 1} }

// Continuing returns a set with the same keys, of which that encrypts which has encrypted a value. The set is the
// same if it has none such.
func (k *Keyset) Continuing(sealed []byte) *Keyset {
	for i := range k.keys {
		if sealedWith(sealed, k.keys[i].id) {
			return &Keyset{keys: k.keys, use: i}
		}
	}
	return k
}

// ID returns the name of the key that encrypts, which each value that it has encrypted shows.
func (k *Keyset) ID() string { return hex.EncodeToString(k.keys[k.use].id[:]) }

// IDs returns the names of all keys, in their order.
func (k *Keyset) IDs() (all []string) {
	for i := range k.keys {
		all = append(all, hex.EncodeToString(k.keys[i].id[:]))
	}
	return all
}

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
	by := k.keys[k.use]
	return by.seal(by.aead, place, value)
}

// Open decrypts what Seal returned for the place.
func (k *Keyset) Open(place, sealed []byte) ([]byte, error) {
	return k.open(sealed, func(by key) ([]byte, error) { return openWith(by.aead, place, sealed) })
}

// SealFor is like Seal, with a key for another purpose, which is derived from the one that encrypts. What it returns is
// not read by Open, nor by OpenFor for another purpose.
func (k *Keyset) SealFor(purpose string, place, value []byte) ([]byte, error) {
	by := k.keys[k.use]
	aead, err := by.derive(purpose)
	if err != nil {
		return nil, err
	}
	return by.seal(aead, place, value), nil
}

// OpenFor decrypts what SealFor returned for the purpose and the place.
func (k *Keyset) OpenFor(purpose string, place, sealed []byte) ([]byte, error) {
	return k.open(sealed, func(by key) ([]byte, error) {
		aead, err := by.derive(purpose)
		if err != nil {
			return nil, err
		}
		return openWith(aead, place, sealed)
	})
}

// Fresh reports whether a value is encrypted with the key that encrypts.
func (k *Keyset) Fresh(value []byte) bool { return sealedWith(value, k.keys[k.use].id) }

// derive returns what encrypts for a purpose.
func (k key) derive(purpose string) (cipher.AEAD, error) {
	secret, err := hkdf.Key(sha256.New, k.secret, nil, "faaspot "+purpose, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return chacha20poly1305.NewX(secret)
}

// seal encrypts with what belongs to the key, and names the key.
func (k key) seal(aead cipher.AEAD, place, value []byte) []byte {
	sealed := make([]byte, header, header+len(value)+aead.Overhead())
	sealed[0] = Marker
	copy(sealed[1:], k.id[:])
	nonce := sealed[1+idSize : header]
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(sealed, nonce, value, place)
}

// open decrypts a value with the first key of its name that can.
func (k *Keyset) open(sealed []byte, with func(key) ([]byte, error)) ([]byte, error) {
	for _, by := range k.keys {
		if !sealedWith(sealed, by.id) {
			continue
		}
		if value, err := with(by); err == nil {
			return value, nil
		}
	}
	return nil, ErrNoKey
}

func openWith(aead cipher.AEAD, place, sealed []byte) ([]byte, error) {
	return aead.Open(nil, sealed[1+idSize:header], sealed[header:], place)
}

// sealedWith reports whether a value names a key as that which has encrypted it.
func sealedWith(value []byte, id [idSize]byte) bool {
	return len(value) >= header && value[0] == Marker && bytes.Equal(value[1:1+idSize], id[:])
}
