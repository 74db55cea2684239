// Package bundle reads bundles.
package bundle

import (
	"archive/zip"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// File is a file or a folder of a bundle.
type File struct {
	Path  string // relative, without a slash at its end
	Size  int64  // bytes
	IsDir bool
}

// Entry is the place of a file in the output of [Archive.Unpack].
type Entry struct {
	Path         string
	Offset, Size int64 // bytes
}

// Archive is a bundle.
type Archive struct{ files []*zip.File }

// Open returns the archive in content, which has size bytes.
func Open(content io.ReaderAt, size int64) (*Archive, error) {
	r, err := zip.NewReader(content, size)
	if err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the bundle is no zip: %v", err)
	}
	slices.SortFunc(r.File, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	return &Archive{r.File}, nil
}

// Main returns the content of the main file.
func (a *Archive) Main() ([]byte, error) {
	for _, f := range a.files {
		if f.Name == runtime.BundleMain {
			r, err := f.Open()
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		}
	}
	return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the bundle has no %s", runtime.BundleMain)
}

// Files returns the files and folders, sorted by path.
func (a *Archive) Files() []File {
	var files []File
	for _, f := range a.files {
		name, isDir := strings.CutSuffix(f.Name, "/")
		files = append(files, File{name, int64(f.UncompressedSize64), isDir})
	}
	return files
}

// Unpack writes the contents of all files one after the other, and returns their places.
func (a *Archive) Unpack(ctx context.Context, w io.Writer) ([]Entry, error) {
	var entries []Entry
	offset := int64(0)
	for _, f := range a.files {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		r, err := f.Open()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(w, r)
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{f.Name, offset, n})
		offset += n
	}
	return entries, nil
}
