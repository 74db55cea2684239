package sandbox

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestCacheIsUsedOnlyAsItWasLeft stands for compiled code a file that compile
// leaves in the cache, and finds out whether it is still there the next time.
func TestCacheIsUsedOnlyAsItWasLeft(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for name, tamper := range map[string]func(t *testing.T, dir string){
		"nothing": func(*testing.T, string) {},
		"a byte":  func(t *testing.T, dir string) { write(t, filepath.Join(dir, "code"), "evil") },
		"a file":  func(t *testing.T, dir string) { write(t, filepath.Join(dir, "more"), "evil") },
		"a rename": func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "code"), filepath.Join(dir, "kode")))
		},
		"the sum": func(t *testing.T, dir string) { write(t, filepath.Join(dir, sumFile), "evil") },
		"no sum":  func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, sumFile))) },
		"a link": func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "code")))
			outside := filepath.Join(t.TempDir(), "code")
			write(t, outside, "good")
			must(t, os.Symlink(outside, filepath.Join(dir, "code")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			compile := func(found *bool) func(wazero.CompilationCache) error {
				return func(wazero.CompilationCache) error {
					_, err := os.Lstat(filepath.Join(dir, "code"))
					*found = err == nil
					return os.WriteFile(filepath.Join(dir, "code"), []byte("good"), 0o600)
				}
			}
			var found bool
			must(t, openCompilationCache(dir, log).use(compile(&found)))
			if found {
				t.Fatal("a new cache is not empty")
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the cache's folder: %v, %v", info.Mode(), err)
			}
			tamper(t, dir)
			must(t, openCompilationCache(dir, log).use(compile(&found)))
			if want := name == "nothing"; found != want {
				t.Errorf("code from before was there: %v, want %v", found, want)
			}
			must(t, openCompilationCache(dir, log).use(compile(&found)))
			if !found {
				t.Error("a cache made anew is not used")
			}
		})
	}
}

// TestCacheThatIsOfNoUse makes compile fail with a cache that is as it was left.
func TestCacheThatIsOfNoUse(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	calls := 0
	compile := func(wazero.CompilationCache) error {
		if calls++; calls == 2 {
			return errors.New("header")
		}
		return os.WriteFile(filepath.Join(dir, "code"), []byte("good"), 0o600)
	}
	for range 2 {
		must(t, openCompilationCache(dir, log).use(compile))
	}
	if calls != 3 {
		t.Errorf("compiled %d times, want 3: once, in vain, anew", calls)
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
