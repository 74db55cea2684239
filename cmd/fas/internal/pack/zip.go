package pack

import (
	"archive/zip"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/bundle"
)

// Options say what to pack.
type Options struct {
	Dir       string
	NoInstall bool // installs no packages
	// Progress, if set, is called with a function that renders what is being done, for each step.
	Progress func(text func() string)
}

// Bundle is a bundle in a file, which is a temporary one unless the user has made it.
type Bundle struct {
	runtime.Bundle
	File     *os.File
	Files    int
	Unpacked int64 // bytes of the files

	Installed string   // name of the file whose packages were installed; empty: none
	Native    []string // packages whose extension modules were left out, sorted
	Secrets   bool     // whether the folder has a file .env that was left out

	keep bool // Close leaves the file
}

// Close closes the file, and removes it if it is a temporary one.
func (b *Bundle) Close() {
	b.File.Close()
	if !b.keep {
		os.Remove(b.File.Name())
	}
}

// Folder packs a folder and the packages that it depends on. The caller closes the bundle.
func Folder(ctx context.Context, o Options) (*Bundle, error) {
	if o.Progress == nil {
		o.Progress = func(func() string) {}
	}
	f, err := openFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	defer f.root.Close()
	items, err := f.collect(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(items, func(i item) bool { return i.path == runtime.BundleMain }) {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the folder %s has no file %s", o.Dir, runtime.BundleMain).
			WithHint("give the folder whose file " + runtime.BundleMain + " defines main(args, context)")
	}
	if err := checkSizes(items); err != nil {
		return nil, err // before anything is installed
	}
	b := &Bundle{}
	if info, err := f.root.Stat(".env"); err == nil && info.Mode().IsRegular() {
		b.Secrets = !slices.ContainsFunc(items, func(i item) bool { return i.path == ".env" })
	}
	if !o.NoInstall {
		packages, err := install(ctx, o)
		if err != nil {
			return nil, err
		}
		defer packages.Close()
		if items, err = merge(items, packages); err != nil {
			return nil, err
		}
		if err := checkSizes(items); err != nil {
			return nil, err
		}
		b.Installed, b.Native = packages.from, packages.native
	}
	if b.File, err = os.CreateTemp("", "fas-bundle-*.zip"); err != nil {
		return nil, fmt.Errorf("create a temporary file for the bundle: %w", err)
	}
	if err := b.write(ctx, items, o.Progress); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// merge adds the files of packages to those of the folder.
func merge(items []item, p *packages) ([]item, error) {
	own := make(map[string]bool, len(items))
	for _, i := range items {
		own[i.path] = true
	}
	for _, i := range p.items {
		if own[i.path] {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the folder has %s, and so has a package of %s", i.path, p.from).
				WithHint("rename the file, or leave it out by naming it in " + ignoreFile)
		}
	}
	return append(items, p.items...), nil
}

// modified is the time of every file in a bundle, so that the same files give the same bundle. It is
// the first that a zip can have.
var modified = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// write writes the zip and checks it as the server does.
func (b *Bundle) write(ctx context.Context, items []item, progress func(func() string)) error {
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.path, b.path) })
	var done atomic.Int64
	progress(func() string { return fmt.Sprintf("packing %d of %d files", done.Load(), len(items)) })
	hash := sha256.New()
	w := zip.NewWriter(io.MultiWriter(b.File, hash))
	for _, i := range items {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := add(w, i)
		if err != nil {
			return fmt.Errorf("pack %s: %w", i.path, err)
		}
		b.Unpacked += n
		done.Add(1)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	size, err := b.File.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	b.ID, b.Bytes, b.Files = runtime.BundleID(hash.Sum(nil)), size, len(items)
	return b.check()
}

// add adds a file to the zip and returns its length in bytes.
func add(w *zip.Writer, i item) (int64, error) {
	in, err := i.root.Open(i.path)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	h := &zip.FileHeader{Name: i.path, Method: zip.Deflate, Modified: modified}
	h.SetMode(0o644)
	out, err := w.CreateHeader(h)
	if err != nil {
		return 0, err
	}
	return io.Copy(out, in)
}

// check returns the error that the server would return for the bundle, with a hint about the folder.
func (b *Bundle) check() error {
	if b.Bytes > runtime.MaxBundle {
		sizes := make(map[string]int64)
		var items []item
		r, err := zip.NewReader(b.File, b.Bytes)
		if err != nil {
			return fmt.Errorf("read the bundle: %w", err)
		}
		for _, f := range r.File {
			sizes[f.Name] = int64(f.CompressedSize64)
			items = append(items, item{path: f.Name})
		}
		return tooLarge("it has "+megabytes(b.Bytes)+" compressed, more than "+megabytes(runtime.MaxBundle),
			parts(items, func(i item) int64 { return sizes[i.path] }), megabytes)
	}
	_, err := bundle.Open(b.File, b.Bytes)
	if e, ok := runtime.AsError(err); ok && e.Code == runtime.CodeInvalidArgument {
		e.Hint = "rename the file, or name it in " + ignoreFile
	}
	return err
}
