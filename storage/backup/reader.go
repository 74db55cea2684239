package backup

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxFiles bounds the files of a backup, and with them the memory of a Read.
	maxFiles = 1_000_000
	// maxInfo bounds the size of the description of a backup, in bytes.
	maxInfo = 64 << 10
)

// ErrDamaged reports a file that is not a backup, or one that was changed or cut short.
var ErrDamaged = errors.New("the backup is damaged")

func damaged(text string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(text, args...))
}

// Contents says what a backup has.
type Contents struct {
	Info
	Files int   // of the store
	Bytes int64 // of those files
}

// Read reads a backup to its end and checks it. It calls file with each file of the store, whose names
// differ and name no folder, and reads what file leaves of the content; nil: it only checks. What file
// has received is right only once Read has returned nil. The error is ErrDamaged if the backup is.
func Read(r io.Reader, file func(name string, size int64, content io.Reader) error) (c Contents, err error) {
	archive := reading{tar: tar.NewReader(r), names: make(map[string]bool), file: file}
	for {
		h, err := archive.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			return c, damaged("it has no end")
		case err != nil:
			return c, damaged("%w", err)
		case h.Typeflag != tar.TypeReg:
			return c, damaged("%q is not a file", h.Name)
		}
		if h.Name == sumsName {
			return archive.contents, archive.end()
		}
		if err := archive.one(h); err != nil {
			return c, err
		}
	}
}

// reading is a backup that is being read.
type reading struct {
	tar      *tar.Reader
	file     func(name string, size int64, content io.Reader) error
	contents Contents
	names    map[string]bool
	sums     strings.Builder
}

// one reads the next file.
func (r *reading) one(h *tar.Header) (err error) {
	sum := sha256.New()
	content := io.TeeReader(r.tar, sum)
	if r.sums.Len() == 0 {
		if h.Name != infoName {
			return damaged("it does not begin with %s", infoName)
		}
		err = r.info(content)
	} else {
		err = r.stored(h, content)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return damaged("%s: %w", h.Name, err)
	}
	r.sums.WriteString(sumLine(sum, h.Name))
	return nil
}

func (r *reading) info(content io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(content, maxInfo))
	if err == nil {
		err = json.Unmarshal(text, &r.contents.Info)
	}
	if err != nil {
		return damaged("%s: %w", infoName, err)
	}
	if r.contents.Format != format {
		return fmt.Errorf("the backup has the format %d, and this release reads the format %d: use the release that wrote it, %q", r.contents.Format, format, r.contents.Release)
	}
	return nil
}

func (r *reading) stored(h *tar.Header, content io.Reader) error {
	name, ok := strings.CutPrefix(h.Name, folder)
	if !ok || !validName(name) || r.names[name] || len(r.names) == maxFiles {
		return damaged("it cannot have the file %q", h.Name)
	}
	r.names[name] = true
	r.contents.Files++
	r.contents.Bytes += h.Size
	if r.file == nil {
		return nil
	}
	return r.file(name, h.Size, &failing{Reader: content})
}

// end compares the sums with those of the backup.
func (r *reading) end() error {
	want := bufio.NewReader(r.tar)
	for line := range strings.Lines(r.sums.String()) {
		got := make([]byte, len(line))
		if _, err := io.ReadFull(want, got); err != nil {
			return damaged("%s: %w", sumsName, err)
		}
		if string(got) != line {
			_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			return damaged("the SHA-256 of %s is another one", name)
		}
	}
	if _, err := want.ReadByte(); !errors.Is(err, io.EOF) {
		return damaged("%s has more lines than there are files", sumsName)
	}
	if len(r.names) == 0 {
		return damaged("it has no files")
	}
	return nil
}

// failing makes the errors of a damaged archive ErrDamaged.
type failing struct{ io.Reader }

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged("%w", err)
	}
	return n, err
}
