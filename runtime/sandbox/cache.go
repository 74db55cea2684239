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
)

// sumFile holds the hash of the rest of the cache directory.
const sumFile = "SHA256"

// A compilationCache keeps machine code in a directory. What lies there will be
// executed, and wazero guards it by a CRC of parts only, so it is used only as
// it was left: it has a hash of its own. Code that does not match it, or that
// compiling fails with, is removed and made anew. Without a directory, or with
// one that cannot be written, nothing is kept.
type compilationCache struct {
	dir   string // empty: keep nothing
	known bool   // the directory is as it was left
	log   *slog.Logger
}

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

// use calls compile with the cache, or with nil if there is none.
func (c *compilationCache) use(compile func(wazero.CompilationCache) error) error {
	if c.dir == "" {
		return compile(nil)
	}
	known := c.known
	err := compileCached(c.dir, compile)
	if err != nil && known {
		c.log.Warn("the compilation cache is of no use; compiling anew", "reason", err)
		known = false
		if err = emptyDir(c.dir); err == nil {
			err = compileCached(c.dir, compile)
		}
	}
	if err != nil || known {
		return err
	}
	sum, err := hashTree(c.dir)
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dir, sumFile), []byte(sum), 0o600)
	}
	if err != nil {
		c.log.Warn("the compilation cache cannot be sealed; the next start compiles anew", "reason", err)
	}
	return nil
}

func compileCached(dir string, compile func(wazero.CompilationCache) error) error {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return err
	}
	if err := compile(cache); err != nil {
		return errors.Join(err, cache.Close(context.Background()))
	}
	return nil
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
