// Package bundle reads the zips of bundles.
package bundle

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// Archive is the zip of a bundle.
type Archive struct {
	zip   *zip.Reader
	files []File
}

// File is a file or a folder of a bundle.
type File struct {
	Path  string
	Size  int64
	IsDir bool
}

// Entry is where the content of a file is in what Unpack writes.
type Entry struct {
	Path         string
	Offset, Size int64
}

// Open reads the directory of a zip of size bytes.
func Open(content io.ReaderAt, size int64) (*Archive, error) {
	z, err := zip.NewReader(content, size)
	if err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the bundle is not a zip file").
			WithHint("send the bytes of a zip file with " + runtime.BundleMain + " at its root")
	}
	a := &Archive{zip: z}
	var unpacked int64
	for _, f := range z.File {
		isDir := strings.HasSuffix(f.Name, "/")
		a.files = append(a.files, File{strings.TrimSuffix(f.Name, "/"), int64(f.UncompressedSize64), isDir})
		unpacked += int64(f.UncompressedSize64)
	}
	if len(a.files) > runtime.MaxBundleFiles || unpacked > runtime.MaxBundleUnpacked {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "the bundle has %d files of %d bytes", len(a.files), unpacked).WithHint("leave out what the function does not need")
	}
	sort.Slice(a.files, func(i, j int) bool { return a.files[i].Path < a.files[j].Path })
	return a, nil
}

// Files returns the files and folders, sorted by path.
func (a *Archive) Files() []File { return a.files }

// Main returns the content of runtime.BundleMain.
func (a *Archive) Main() ([]byte, error) {
	for _, f := range a.zip.File {
		if f.Name == runtime.BundleMain {
			return read(f, runtime.MaxSource)
		}
	}
	return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the bundle has no %s at its root", runtime.BundleMain).
		WithHint("add a file " + runtime.BundleMain + " that defines main(args, context)")
}

// Unpack writes the contents of all files to w, one after the other.
func (a *Archive) Unpack(ctx context.Context, w io.Writer) ([]Entry, error) {
	var all []Entry
	var offset int64
	for _, f := range a.zip.File {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		data, err := read(f, runtime.MaxBundleUnpacked)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
		all = append(all, Entry{f.Name, offset, int64(len(data))})
		offset += int64(len(data))
	}
	return all, nil
}

func read(f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, damaged(f, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, damaged(f, err)
	}
	if int64(len(data)) > limit {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "%q has more than %d bytes", f.Name, limit)
	}
	return data, nil
}

func damaged(f *zip.File, err error) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "%q in the bundle is damaged: %s", f.Name, fmt.Sprint(err)).WithHint("make the zip again")
}
