package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// constant returns a module whose function f returns a small number.
func constant(number byte) []byte {
	return wasmbin.Join([]wasmbin.Section{
		{ID: wasmbin.SectionType, Body: []byte{1, wasmbin.FormFunc, 0, 1, wasmbin.TypeI32}},
		{ID: wasmbin.SectionFunction, Body: []byte{1, 0}},
		{ID: wasmbin.SectionExport, Body: append(wasmbin.AppendName([]byte{1}, "f"), byte(wasmbin.KindFunc), 0)},
		{ID: wasmbin.SectionCode, Body: []byte{1, 4, 0, wasmbin.OpI32Const, number, wasmbin.OpEnd}},
	})
}

// compiled compiles constant(number) with the cache in dir and runs it. It reports whether the code
// had to be compiled.
func compiled(t *testing.T, dir string, number byte) (fresh bool) {
	t.Helper()
	module := constant(number)
	made, store, err := openCompilationCache(t.Context(), dir, slog.New(slog.DiscardHandler)).compile(t.Context(), module, func(cache wazero.CompilationCache, m []byte) (compilation, error) {
		fresh = fresh || bytes.Equal(m, module)
		return compileModule(t.Context(), cache, m)
	})
	must(t, err)
	store()
	instance, err := made.engine.InstantiateModule(t.Context(), made.module, wazero.NewModuleConfig())
	must(t, err)
	results, err := instance.ExportedFunction("f").Call(t.Context())
	if err != nil || results[0] != uint64(number) {
		t.Errorf("the compiled code returns %v, %v, want %d", results, err, number)
	}
	must(t, made.close())
	return fresh
}

// TestWhatTheCacheHas checks that code is known to be in the cache if it was loaded from there, or stored there, and not because
// there is code of another module, or a folder that cannot be written.
func TestWhatTheCacheHas(t *testing.T) {
	dir := t.TempDir()
	kept := func(c *compilationCache, number byte) bool {
		made, store, err := c.compile(t.Context(), constant(number), func(cache wazero.CompilationCache, m []byte) (compilation, error) {
			return compileModule(t.Context(), cache, m)
		})
		must(t, err)
		if c.kept && !c.intact {
			t.Error("it is known before the code is stored")
		}
		store()
		must(t, made.close())
		return c.kept
	}
	quiet := slog.New(slog.DiscardHandler)
	for range 2 { // it is stored, and loaded
		if !kept(openCompilationCache(t.Context(), dir, quiet), 1) {
			t.Error("the cache does not have what was compiled")
		}
	}
	full := openCompilationCache(t.Context(), dir, quiet)
	full.dir = filepath.Join(dir, sumFile, "x") // nothing can be read or written there
	if !full.intact || kept(full, 1) {
		t.Error("a cache that cannot be written has the code")
	}
	if kept(openCompilationCache(t.Context(), "", quiet), 1) {
		t.Error("no cache has the code")
	}
	if !kept(openCompilationCache(t.Context(), dir, quiet), 2) {
		t.Error("code of another module was not replaced")
	}
}

// codeIn returns the path of the file with machine code.
func codeIn(t *testing.T, dir string) string {
	t.Helper()
	file, err := onlyFileIn(filepath.Join(dir, codeDir))
	must(t, err)
	return file.path
}

// TestCacheIsUsedOnlyUnchanged damages the cache in many ways. Code is taken from the cache only
// if it is exactly as it was left. After any damage the module's own code runs, and the next start
// finds it in the cache.
func TestCacheIsUsedOnlyUnchanged(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, dir string){
		"nothing": func(*testing.T, string) {},
		"a byte": func(t *testing.T, dir string) {
			code, err := os.ReadFile(codeIn(t, dir))
			must(t, err)
			code[len(code)/2] ^= 1
			write(t, codeIn(t, dir), string(code))
		},
		"cut":    func(t *testing.T, dir string) { must(t, os.Truncate(codeIn(t, dir), 10)) },
		"a file": func(t *testing.T, dir string) { write(t, filepath.Join(dir, "more"), "evil") },
		"a rename": func(t *testing.T, dir string) {
			must(t, os.Rename(codeIn(t, dir), filepath.Join(dir, codeDir, "kode")))
		},
		"no code": func(t *testing.T, dir string) { must(t, os.Remove(codeIn(t, dir))) },
		"the sum": func(t *testing.T, dir string) { write(t, filepath.Join(dir, sumFile), "evil") },
		"no sum":  func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, sumFile))) },
		"a link": func(t *testing.T, dir string) {
			file, outside := codeIn(t, dir), filepath.Join(t.TempDir(), "code")
			must(t, os.Rename(file, outside))
			must(t, os.Symlink(outside, file))
		},
		"an end on the way": func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, sumFile)))
			must(t, os.Mkdir(filepath.Join(dir, newDir), 0o700))
			write(t, filepath.Join(dir, newDir, "code"), "half")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			if !compiled(t, dir, 42) {
				t.Fatal("a new cache had code")
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the cache's folder: %v, %v", info.Mode(), err)
			}
			tamper(t, dir)
			if fresh := compiled(t, dir, 42); fresh != (name != "nothing") {
				t.Errorf("compiled: %v", fresh)
			}
			if compiled(t, dir, 42) {
				t.Error("the rewritten cache is not used")
			}
		})
	}
}

// TestCacheOfAnotherRelease changes the code of a module. The hollow modules of two such modules
// differ only in their mark, which must prevent that the code of another release is run.
func TestCacheOfAnotherRelease(t *testing.T) {
	dir := t.TempDir()
	compiled(t, dir, 1)
	old := codeIn(t, dir)
	if !compiled(t, dir, 2) {
		t.Error("the code of another module was used")
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the code of another module still exists: %v", err)
	}
	if compiled(t, dir, 2) {
		t.Error("the code compiled instead is not used")
	}
}

// TestUnusableCache covers caches that are intact but that cannot be loaded. They are compiled
// again, as are entries that wazero considers stale, which it writes under the same name.
func TestUnusableCache(t *testing.T) {
	for name, change := range map[string]func(code []byte) []byte{
		"no code": func([]byte) []byte { return []byte("no code") },
		"stale":   func(code []byte) []byte { return code[:len(code)-4] }, // from a wazero release before the table of caught exceptions
	} {
		dir := t.TempDir()
		compiled(t, dir, 42)
		code, err := os.ReadFile(codeIn(t, dir))
		must(t, err)
		write(t, codeIn(t, dir), string(change(code)))
		sum, err := hashTree(dir)
		must(t, err)
		write(t, filepath.Join(dir, sumFile), sum)
		if !compiled(t, dir, 42) || compiled(t, dir, 42) {
			t.Errorf("%s: the cache was not rewritten exactly once", name)
		}
	}
}

// TestNoCache compiles everything where nothing can be written, or nothing should be stored.
func TestNoCache(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "file", "cache")} {
		if dir != "" {
			write(t, filepath.Dir(dir), "")
		}
		for range 2 {
			if !compiled(t, dir, 42) {
				t.Errorf("%q: not compiled", dir)
			}
		}
	}
	// Compiling works; storing fails because the disk is full.
	dir := t.TempDir()
	made, store, err := openCompilationCache(t.Context(), dir, slog.New(slog.DiscardHandler)).compile(t.Context(), constant(42), func(cache wazero.CompilationCache, m []byte) (compilation, error) {
		if cache != nil {
			return compilation{}, errors.New("no space is left")
		}
		return compileModule(context.Background(), nil, m)
	})
	must(t, err)
	store()
	must(t, made.close())
	if !compiled(t, dir, 42) {
		t.Error("code was stored")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An interrupted start says nothing about the cache, and leaves nothing to repair.
func TestInterruptedCompilation(t *testing.T) {
	var log strings.Builder
	cache := openCompilationCache(t.Context(), t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	_, _, err := cache.compile(ctx, constant(1), func(wazero.CompilationCache, []byte) (compilation, error) {
		cancel(stopped)
		return compilation{}, ctx.Err()
	})
	if !errors.Is(err, stopped) || strings.Contains(log.String(), "WARN") || !strings.Contains(log.String(), "compiling the Python interpreter") {
		t.Errorf("%v, log: %s", err, log.String())
	}
}

// Processes that start at once, here without code, with that of another release and with the right code, compile once
// at most, and leave a cache that is used. Each opens the folder itself, so their locks are like those of processes.
func TestManyUseACacheAtOnce(t *testing.T) {
	dir := t.TempDir()
	for _, number := range []byte{1, 2, 2} {
		var begun atomic.Int32
		var starts sync.WaitGroup
		before, _ := os.ReadFile(filepath.Join(dir, sumFile))
		for range 8 {
			starts.Go(func() {
				if compiled(t, dir, number) {
					begun.Add(1)
				}
			})
		}
		starts.Wait()
		after, err := os.ReadFile(filepath.Join(dir, sumFile))
		must(t, err)
		if want := !bytes.Equal(before, after); begun.Load() > 1 || want != (begun.Load() == 1) {
			t.Errorf("module %d was compiled %d times", number, begun.Load())
		}
		if compiled(t, dir, number) {
			t.Error("the cache is not used")
		}
	}
}

type writeFunc func(line []byte) (int, error)

func (f writeFunc) Write(line []byte) (int, error) { return f(line) }

// A start that waits for another process ends when it is interrupted.
func TestInterruptedWaitForACache(t *testing.T) {
	dir := t.TempDir()
	alone := openCompilationCache(t.Context(), dir, slog.New(slog.DiscardHandler))
	alone.lock(t.Context(), true)
	defer alone.unlock()
	var log strings.Builder
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	interrupt := slog.New(slog.NewTextHandler(writeFunc(func(line []byte) (int, error) {
		cancel(stopped) // it waits
		return log.Write(line)
	}), nil))
	_, _, err := openCompilationCache(ctx, dir, interrupt).compile(ctx, constant(1), func(wazero.CompilationCache, []byte) (compilation, error) {
		t.Error("it compiles beside another process")
		return compilation{}, ctx.Err()
	})
	if !errors.Is(err, stopped) || strings.Count(log.String(), "waiting for another process") != 1 {
		t.Errorf("%v, log: %s", err, log.String())
	}
}
