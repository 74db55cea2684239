package pack

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// maxWalk bounds the files that are counted before a folder is refused as too large. It is more than
// a bundle has, so that the error can name the largest parts.
const maxWalk = 4 * runtime.MaxBundleFiles

// maxIgnore bounds the length of an ignoreFile, in bytes.
const maxIgnore = 1 * runtime.MiB

// item is a file to pack.
type item struct {
	path string // in the bundle
	root *os.Root
	size int64
}

// part returns the name of the file or folder at the root that the item belongs to.
func (i item) part() string {
	name, _, _ := strings.Cut(i.path, "/")
	return name
}

// folder walks a folder. No link leads out of it.
type folder struct {
	root *os.Root
	name string // of the folder, for errors
	// leaveOut reports whether a path is left out.
	leaveOut func(path string, folder bool) bool

	items []item
}

// openFolder opens a folder that the user named, with the rules of its ignore file.
func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, clierror.Usagef("give the folder that has "+runtime.BundleMain+" in it", "cannot open the folder: %v", err)
	}
	f := &folder{root: root, name: dir}
	if f.leaveOut, err = f.rules(); err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

// rules returns the function that decides what the folder leaves out: what usual and its own ignore file
// name, and virtual environments whatever their names are.
func (f *folder) rules() (func(path string, folder bool) bool, error) {
	rules, err := parseIgnore("the usual rules", usual)
	if err != nil {
		return nil, err
	}
	text, err := f.root.ReadFile(ignoreFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(text) > maxIgnore {
		return nil, clierror.Usagef("it may have up to 1 MiB of text", "cannot read %s", filepath.Join(f.name, ignoreFile))
	}
	own, err := parseIgnore(ignoreFile, string(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	if err != nil {
		return nil, clierror.Usagef("the syntax is that of .gitignore", "%v", err)
	}
	rules = append(rules, own...)
	return func(name string, folder bool) bool {
		if rules.has(name, folder) {
			return true
		}
		if !folder {
			return false
		}
		_, err := f.root.Stat(path.Join(name, "pyvenv.cfg"))
		return err == nil
	}, nil
}

// walk collects the files below a folder, in the order of their names. above has that folder, and those
// that lead to it.
func (f *folder) walk(ctx context.Context, dir string, above []fs.FileInfo) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	entries, err := fs.ReadDir(f.root.FS(), dir)
	if err != nil {
		return f.failed(dir, err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		info, err := f.root.Stat(name) // follows links
		link := e.Type()&fs.ModeSymlink != 0
		if err != nil && link {
			if f.leaveOut(name, false) || f.leaveOut(name, true) {
				continue
			}
			return clierror.Usagef("put what it refers to into the folder, or name the link in "+ignoreFile,
				"%s is a link that leads out of the folder, or to nothing", filepath.Join(f.name, filepath.FromSlash(name)))
		}
		if err != nil {
			return f.failed(name, err)
		}
		switch {
		case f.leaveOut(name, info.IsDir()):
		case info.IsDir():
			if link && slices.ContainsFunc(above, func(i fs.FileInfo) bool { return os.SameFile(i, info) }) {
				return clierror.Usagef("name the link in "+ignoreFile, "%s is a link to a folder that it is in",
					filepath.Join(f.name, filepath.FromSlash(name)))
			}
			if err := f.walk(ctx, name, append(above, info)); err != nil {
				return err
			}
		case !info.Mode().IsRegular():
			return clierror.Usagef("name it in "+ignoreFile, "%s is neither a file nor a folder", filepath.Join(f.name, filepath.FromSlash(name)))
		default:
			f.items = append(f.items, item{path: name, root: f.root, size: info.Size()})
			if len(f.items) > maxWalk {
				return tooMany(f.items)
			}
		}
	}
	return nil
}

// collect returns all files of the folder that are not left out.
func (f *folder) collect(ctx context.Context) ([]item, error) {
	info, err := f.root.Stat(".")
	if err != nil {
		return nil, f.failed(".", err)
	}
	err = f.walk(ctx, ".", []fs.FileInfo{info})
	return f.items, err
}

func (f *folder) failed(name string, err error) error {
	return clierror.Usagef("name it in "+ignoreFile+" if the function does not need it", "cannot read %s: %v",
		filepath.Join(f.name, filepath.FromSlash(name)), err)
}

// checkSizes returns an error if the files are more or larger than a bundle may have.
func checkSizes(items []item) error {
	var total int64
	for _, i := range items {
		total += i.size
	}
	if total > runtime.MaxBundleUnpacked {
		return tooLarge("the files have "+megabytes(total)+", more than "+megabytes(runtime.MaxBundleUnpacked),
			parts(items, func(i item) int64 { return i.size }), megabytes)
	}
	if len(items) > runtime.MaxBundleFiles {
		return tooMany(items)
	}
	return nil
}
