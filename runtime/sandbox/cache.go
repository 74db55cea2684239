package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// What a compilation cache consists of.
const (
	sumFile = "SHA256" // the hash of all else
	keptDir = "kept"   // wazero's cache, which has the code under the key of the hollow module
	newDir  = "new"    // another one, in which code is compiled
)

// A compilationCache keeps machine code in a directory. What lies there will be
// executed, and wazero guards it by a CRC of parts only, so it is used only as
// it was left: it has a hash of its own. Code that does not match it, or that
// compiling fails with, is removed and made anew. Without a directory, or with
// one that cannot be written, nothing is kept.
//
// Before wazero looks into its cache it reads and validates the module, which
// takes longer than all else there is to do with code that is compiled. Its key
// is a hash of the module and of the processor's features; what it finds is not
// compared with the module. So what is kept of a module stands under the key of
// its hollow one, which is validated in no time.
type compilationCache struct {
	dir   string // empty: keep nothing
	known bool   // the directory is as it was left
	log   *slog.Logger
}

// compilation is a module compiled by an engine of its own.
type compilation struct {
	engine wazero.Runtime
	module wazero.CompiledModule
}

func (c compilation) close() error { return c.engine.Close(context.Background()) }

// compiler compiles a module with a cache, if it is not nil.
type compiler func(cache wazero.CompilationCache, module []byte) (compilation, error)

// openCompilationCache makes dir if need be and checks what is in it.
func openCompilationCache(dir string, log *slog.Logger) *compilationCache {
	c := &compilationCache{log: log}
	if dir == "" {
		return c
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		log.Warn("the compilation cache cannot be kept; every start compiles anew", "reason", err)
		return c
	}
	sum, err := hashTree(dir)
	kept, readErr := os.ReadFile(filepath.Join(dir, sumFile))
	c.known = err == nil && readErr == nil && string(kept) == sum
	if !c.known {
		if readErr == nil {
			log.Warn("the compilation cache is not as it was left; compiling anew", "dir", dir)
		}
		if err := emptyDir(dir); err != nil {
			log.Warn("the compilation cache cannot be emptied; compiling without it", "reason", err)
			return c
		}
	}
	c.dir = dir
	return c
}

// compile gives a compiled module, from the cache if it is there. If it is not,
// keep puts it there, which takes a little while; it is never nil.
func (c *compilationCache) compile(module []byte, compile compiler) (made compilation, keep func(), err error) {
	keep = func() {}
	hollow, err := wasmbin.Hollow(module)
	if err != nil {
		return compilation{}, nil, err
	}
	if c.known {
		if made, err = c.load(hollow, compile); err == nil {
			return made, keep, nil
		}
		c.log.Info("the compilation cache is of no use; compiling anew", "reason", err)
		err = emptyDir(c.dir)
	}
	if c.dir != "" && err == nil {
		made, err = compileIn(c.path(newDir), module, compile)
		keep = func() {
			if err := c.keep(hollow, compile); err != nil {
				c.log.Warn("the compilation cache cannot be sealed; the next start compiles anew", "reason", err)
			}
		}
	}
	if c.dir == "" || err != nil {
		made, err = compile(nil, module)
		keep = func() {}
	}
	return made, keep, err
}

func (c *compilationCache) path(name string) string { return filepath.Join(c.dir, name) }

// errMissed says that wazero has not found what it looked for.
var errMissed = errors.New("it is of another release or another processor")

// load gives what was kept of a module. What wazero does not find it compiles,
// and that the hollow module must not be used for.
func (c *compilationCache) load(hollow []byte, compile compiler) (compilation, error) {
	before, err := filesIn(c.path(keptDir))
	if err != nil {
		return compilation{}, err
	}
	made, err := compileIn(c.path(keptDir), hollow, compile)
	if err != nil {
		return compilation{}, err
	}
	after, err := filesIn(c.path(keptDir))
	if err == nil && !slices.Equal(before, after) {
		err = errMissed
	}
	if err != nil {
		return compilation{}, errors.Join(err, made.close())
	}
	return made, nil
}

// keep puts the code that was compiled in newDir under the key of the hollow
// module.
func (c *compilationCache) keep(hollow []byte, compile compiler) error {
	stand, err := compileIn(c.path(keptDir), hollow, compile)
	if err == nil {
		err = stand.close()
	}
	if err != nil {
		return err
	}
	from, err := onlyFileIn(c.path(newDir))
	if err != nil {
		return err
	}
	to, err := onlyFileIn(c.path(keptDir))
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(from, to), os.RemoveAll(c.path(newDir))); err != nil {
		return err
	}
	sum, err := hashTree(c.dir)
	if err != nil {
		return err
	}
	return os.WriteFile(c.path(sumFile), []byte(sum), 0o600)
}

func compileIn(dir string, module []byte, compile compiler) (compilation, error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return compilation{}, err
	}
	made, err := compile(cache, module)
	if err != nil {
		return compilation{}, errors.Join(err, cache.Close(context.Background()))
	}
	return made, nil
}

// filesIn gives the paths of all files below dir, in their order.
func filesIn(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

func onlyFileIn(dir string) (string, error) {
	files, err := filesIn(dir)
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("one file was expected, there are %q", files)
	}
	if err != nil {
		return "", err
	}
	return files[0], nil
}

// hashTree hashes the names and contents of all files below dir but the sum.
func hashTree(dir string) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == sumFile {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		defer f.Close()
		content := sha256.New()
		n, err := io.Copy(content, f)
		fmt.Fprintf(h, "%q %d %x\n", name, n, content.Sum(nil))
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// emptyDir removes everything in dir.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
