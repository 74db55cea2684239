// Package guestcache shares the compiled guest between test processes: compiling it takes longer than most
// tests.
package guestcache

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	goruntime "runtime"
	"runtime/debug"
	"slices"

	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/pyguest"
)

// sumFile is the file of a compilation cache that has a hash of all others, see package sandbox.
const sumFile = "SHA256"

// sharedGuest is the folder in which test processes share the compiled guest, below the root of
// the module and keyed by the guest and the folder of wazero's sources, which distinguishes a patched copy
// from the release. Compiling takes a test process longer than most of its tests. The name is empty
// if the guest cannot be read, or if the test runs outside the module.
func sharedGuest() string {
	root := filepath.Join("..", "..")
	module, err := pyguest.Module()
	if _, statErr := os.Stat(filepath.Join(root, "go.mod")); err != nil || statErr != nil {
		return ""
	}
	compiler := reflect.ValueOf(wazero.NewRuntimeConfigCompiler).Pointer()
	source, _ := goruntime.FuncForPC(compiler).FileLine(compiler)
	sum := sha256.New()
	sum.Write(module)
	sum.Write([]byte(source))
	kind := goruntime.GOARCH
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		kind += "-race" // such a binary does not load what others have compiled, and would replace it
	}
	return filepath.Join(root, ".cache", "guest", fmt.Sprintf("%s-%.8x", kind, sum.Sum(nil)))
}

// Fetch copies the shared compilation cache to dir, so that no test can damage the
// shared one. The sandbox verifies the copy like any other cache and compiles the guest if it does
// not match. The returned function stores the cache of dir as the shared one if it has changed. All
// errors are ignored: without a shared cache each test process compiles the guest.
func Fetch(dir string) (publish func()) {
	shared := sharedGuest()
	if shared == "" {
		return func() {}
	}
	if os.CopyFS(dir, os.DirFS(shared)) != nil {
		os.RemoveAll(dir)
	}
	before, _ := os.ReadFile(filepath.Join(dir, sumFile))
	return func() {
		after, err := os.ReadFile(filepath.Join(dir, sumFile))
		if err != nil || bytes.Equal(before, after) || os.MkdirAll(filepath.Dir(shared), 0o755) != nil {
			return
		}
		// A rename makes the copy appear at once, for test processes that read it meanwhile.
		scratch, err := os.MkdirTemp(filepath.Dir(shared), "new-")
		if err != nil {
			return
		}
		defer os.RemoveAll(scratch)
		if os.CopyFS(filepath.Join(scratch, "guest"), os.DirFS(dir)) == nil {
			os.RemoveAll(shared)
			_ = os.Rename(filepath.Join(scratch, "guest"), shared)
		}
	}
}
