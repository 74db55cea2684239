package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

const (
	// format is the version of the archive.
	format = 1

	infoName = "faaspot-backup.json"
	sumsName = "SHA256SUMS"
	// folder begins the names of the files of the store.
	folder = "store/"

	// fileMode gives access to the owner alone: a store has the code and the results of functions.
	fileMode = 0o600
)

// Info describes a backup.
type Info struct {
	Format  int       `json:"format"`  // of the archive; Writer sets it
	Release string    `json:"release"` // of faaspot
	Time    time.Time `json:"time"`    // at which the copy was made
}

// Writer writes a backup. Its methods must not be called concurrently.
type Writer struct {
	tar  *tar.Writer
	time time.Time
	sums bytes.Buffer
}

// NewWriter begins a backup on w.
func NewWriter(w io.Writer, info Info) (*Writer, error) {
	info.Format = format
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return nil, err
	}
	b := &Writer{tar: tar.NewWriter(w), time: info.Time}
	text = append(text, '\n')
	return b, b.add(infoName, int64(len(text)), bytes.NewReader(text))
}

// Add adds a file of the store, of size bytes.
func (b *Writer) Add(name string, size int64, content io.Reader) error {
	if !validName(name) {
		return fmt.Errorf("a backup cannot have a file with the name %q", name)
	}
	return b.add(folder+name, size, content)
}

func (b *Writer) add(name string, size int64, content io.Reader) error {
	sum := sha256.New()
	if err := b.header(name, size); err != nil {
		return err
	}
	if _, err := io.CopyN(io.MultiWriter(b.tar, sum), content, size); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	b.sums.WriteString(sumLine(sum, name))
	return nil
}

func (b *Writer) header(name string, size int64) error {
	return b.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: fileMode, ModTime: b.time, Typeflag: tar.TypeReg})
}

// Close completes the backup. It does not close the writer below.
func (b *Writer) Close() error {
	if err := b.header(sumsName, int64(b.sums.Len())); err != nil {
		return err
	}
	if _, err := b.tar.Write(b.sums.Bytes()); err != nil {
		return err
	}
	return b.tar.Close()
}

// sumLine returns the line of a file in SHA256SUMS.
func sumLine(sum hash.Hash, name string) string {
	return hex.EncodeToString(sum.Sum(nil)) + "  " + name + "\n"
}

// maxName bounds the length of a file name, in bytes.
const maxName = 100

// validName reports whether a store may have a file of this name, in its own folder.
func validName(name string) bool {
	if name == "" || len(name) > maxName || strings.HasPrefix(name, ".") {
		return false
	}
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
