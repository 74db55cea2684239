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
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// Files and folders of a compilation cache.
const (
	sumFile = "SHA256" // hash of all other files
	codeDir = "kept"   // wazero cache that holds the code under the key of the hollow module
	newDir  = "new"    // wazero cache that new code is compiled into
)

// compilationCache stores machine code in a directory. The files there will be executed, and wazero
// protects only parts of them with a CRC, so the cache is used only if it is exactly as it was
// left: it has a hash of its own. Code that does not match the hash, or that fails to load, is
// removed and compiled again. Without a directory, or with one that cannot be written, nothing is
// stored.
//
// Before wazero searches its cache it reads and validates the module, which takes longer than
// everything else that is left to do for compiled code. Its key is a hash of the module and of the
// processor's features; it does not compare the code it finds with the module. So the code of a
// module is stored under the key of its hollow module, which wazero validates in almost no time.
//
// Processes share a directory: those that load code lock it together, and one that compiles locks it alone.
// The others wait for it meanwhile, and load what it has stored.
type compilationCache struct {
	dir    string // empty: store nothing
	intact bool   // the directory is exactly as it was left
	kept   bool   // the directory has the code of the module that was compiled
	locked *os.File
	log    *slog.Logger
}

// compilation is a compiled module with the engine that compiled it.
type compilation struct {
	engine wazero.Runtime
	module wazero.CompiledModule
}

func (c compilation) close() error { return c.engine.Close(context.Background()) }

// compiler compiles a module, with the cache unless it is nil.
type compiler func(cache wazero.CompilationCache, module []byte) (compilation, error)

// openCompilationCache creates dir if it does not exist, waits until no process compiles into it, and verifies
// its content. The directory may be locked until compile returns, or unlock.
func openCompilationCache(ctx context.Context, dir string, log *slog.Logger) *compilationCache {
	c := &compilationCache{log: log}
	if dir == "" {
		return c
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		log.Warn("the compilation cache cannot be written; every start compiles again", "reason", err)
		return c
	}
	c.dir = dir
	c.lock(ctx, false)
	if c.verify(); c.intact {
		return c
	}
	if _, err := os.Stat(c.path(sumFile)); err == nil {
		log.Warn("the compilation cache has changed since it was written; compiling again", "dir", dir)
	}
	return c
}

// verify finds out whether the directory is as it was left.
func (c *compilationCache) verify() {
	sum, err := hashTree(c.dir)
	stored, readErr := os.ReadFile(c.path(sumFile))
	c.intact = err == nil && readErr == nil && string(stored) == sum
}

// lockPause is the time between two looks at a lock that another process has.
const lockPause = 20 * time.Millisecond

// lock locks the directory, alone or with other processes, in place of the lock that the cache has. It waits for
// processes with other locks until ctx ends. A file system without locks is used without them.
func (c *compilationCache) lock(ctx context.Context, alone bool) {
	c.unlock()
	folder, err := os.Open(c.dir)
	if err != nil {
		return // reading or writing there fails as well, and reports it
	}
	c.locked = folder
	for waits := false; ctx.Err() == nil; waits = true {
		got, err := tryLock(folder, alone)
		if err != nil {
			c.log.Info("the compilation cache cannot be locked: the file system of its folder has no locks", "dir", c.dir, "reason", err)
		}
		if got || err != nil {
			return
		}
		if !waits {
			c.log.Info("waiting for another process, which compiles the Python interpreter or loads it", "dir", c.dir)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockPause):
		}
	}
}

// unlock lets other processes use the directory. It may be called without a lock.
func (c *compilationCache) unlock() {
	if c.locked != nil {
		c.locked.Close()
		c.locked = nil
	}
}

// compile returns the compiled module, from the cache if it is there. Otherwise the returned store
// writes it to the cache, which takes a little while. store is never nil if err is nil, and must be called: the
// directory may be locked until then. The error is the cause of ctx if that has ended.
func (c *compilationCache) compile(ctx context.Context, module []byte, compile compiler) (made compilation, store func(), err error) {
	mustStore := false
	defer func() {
		if !mustStore {
			c.unlock()
		}
	}()
	store = func() {}
	hollow, err := wasmbin.Hollow(module)
	if err != nil {
		return compilation{}, nil, err
	}
	if made, ok := c.loadIntact(hollow, compile); ok {
		return made, store, nil
	}
	if c.dir != "" {
		c.lock(ctx, true)
		// Another process may have compiled meanwhile.
		c.verify()
		if made, ok := c.loadIntact(hollow, compile); ok {
			return made, store, nil
		}
	}
	if ctx.Err() != nil {
		return compilation{}, nil, context.Cause(ctx)
	}
	c.log.Info("compiling the Python interpreter, which takes some seconds; later starts load the compiled code")
	if c.dir != "" {
		if made, err = c.compileNew(module, compile); err == nil {
			mustStore = true
			return made, func() { c.store(hollow, compile) }, nil
		}
		if ctx.Err() != nil { // the start was interrupted, and nothing is wrong with the cache
			return compilation{}, nil, context.Cause(ctx)
		}
		c.log.Warn("the compilation cache cannot be written; every start compiles again", "reason", err)
	}
	made, err = compile(nil, module)
	return made, store, err
}

// loadIntact returns the cached code of a module if the directory is intact and has it.
func (c *compilationCache) loadIntact(hollow []byte, compile compiler) (made compilation, ok bool) {
	if !c.intact {
		return compilation{}, false
	}
	made, err := c.load(hollow, compile)
	if err != nil {
		c.log.Info("the compilation cache cannot be used; compiling again", "reason", err)
		return compilation{}, false
	}
	c.kept = true
	return made, true
}

func (c *compilationCache) path(name string) string { return filepath.Join(c.dir, name) }

// errMissed reports that wazero did not find the code in its cache.
var errMissed = errors.New("it belongs to another release or another processor")

// load returns the cached code of a module. If wazero does not find the code, it compiles the
// module that it was given; the result for a hollow module must not be used.
func (c *compilationCache) load(hollow []byte, compile compiler) (compilation, error) {
	before, err := onlyFileIn(c.path(codeDir))
	if err != nil {
		return compilation{}, err
	}
	made, err := compileIn(c.path(codeDir), hollow, compile)
	if err != nil {
		return compilation{}, err
	}
	// A miss would have written a file, perhaps with the same name.
	after, err := onlyFileIn(c.path(codeDir))
	if err != nil || !os.SameFile(before.FileInfo, after.FileInfo) || !before.ModTime().Equal(after.ModTime()) {
		return compilation{}, errors.Join(errMissed, made.close())
	}
	return made, nil
}

// compileNew compiles a module into newDir and removes everything else in the cache.
func (c *compilationCache) compileNew(module []byte, compile compiler) (compilation, error) {
	if err := emptyDir(c.dir); err != nil {
		return compilation{}, err
	}
	return compileIn(c.path(newDir), module, compile)
}

// store moves the code compiled in newDir to the key of the hollow module, and unlocks the directory.
func (c *compilationCache) store(hollow []byte, compile compiler) {
	defer c.unlock()
	if err := c.seal(hollow, compile); err != nil {
		c.log.Warn("the compilation cache cannot be sealed; the next start compiles again", "reason", err)
		return
	}
	c.kept = true
}

func (c *compilationCache) seal(hollow []byte, compile compiler) error {
	standIn, err := compileIn(c.path(codeDir), hollow, compile)
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
	to, err := onlyFileIn(c.path(codeDir))
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

// cachedFile is a file in one of wazero's cache directories.
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

// hashTree returns a hash of the names and contents of all files below dir except sumFile.
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
