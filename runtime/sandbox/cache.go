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
	c.dir = dir
	sum, err := hashTree(dir)
	kept, readErr := os.ReadFile(c.path(sumFile))
	c.known = err == nil && readErr == nil && string(kept) == sum
	if !c.known && readErr == nil {
		log.Warn("the compilation cache is not as it was left; compiling anew", "dir", dir)
	}
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
	}
	if c.dir != "" {
		if made, err = c.compileNew(module, compile); err == nil {
			return made, func() { c.keep(hollow, compile) }, nil
		}
		c.log.Warn("the compilation cache cannot be kept; every start compiles anew", "reason", err)
	}
	made, err = compile(nil, module)
	return made, keep, err
}

func (c *compilationCache) path(name string) string { return filepath.Join(c.dir, name) }

// errMissed says that wazero has not found what it looked for.
var errMissed = errors.New("it is of another release or another processor")

// load gives what was kept of a module. What wazero does not find it compiles,
// and that the hollow module must not be used for.
func (c *compilationCache) load(hollow []byte, compile compiler) (compilation, error) {
	before, err := onlyFileIn(c.path(keptDir))
	if err != nil {
		return compilation{}, err
	}
	made, err := compileIn(c.path(keptDir), hollow, compile)
	if err != nil {
		return compilation{}, err
	}
	// It would have written a file, be it with the same name.
	after, err := onlyFileIn(c.path(keptDir))
	if err != nil || !os.SameFile(before.FileInfo, after.FileInfo) || !before.ModTime().Equal(after.ModTime()) {
		return compilation{}, errors.Join(errMissed, made.close())
	}
	return made, nil
}

// compileNew compiles a module in newDir, and leaves nothing else.
func (c *compilationCache) compileNew(module []byte, compile compiler) (compilation, error) {
	if err := emptyDir(c.dir); err != nil {
		return compilation{}, err
	}
	return compileIn(c.path(newDir), module, compile)
}

// keep puts the code that was compiled in newDir under the key of the hollow
// module.
func (c *compilationCache) keep(hollow []byte, compile compiler) {
	if err := c.seal(hollow, compile); err != nil {
		c.log.Warn("the compilation cache cannot be sealed; the next start compiles anew", "reason", err)
	}
}

func (c *compilationCache) seal(hollow []byte, compile compiler) error {
	standIn, err := compileIn(c.path(keptDir), hollow, compile)
	if err == nil {
		err = standIn.close()
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
	if err := errors.Join(os.Rename(from.path, to.path), os.RemoveAll(c.path(newDir))); err != nil {
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

// cachedFile is a file below a directory of wazero's.
type cachedFile struct {
	path string
	fs.FileInfo
}

func onlyFileIn(dir string) (only cachedFile, err error) {
	n := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		info, err := d.Info()
		only = cachedFile{path, info}
		return err
	})
	if err == nil && n != 1 {
		err = fmt.Errorf("%s has %d files, not one", dir, n)
	}
	return only, err
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
