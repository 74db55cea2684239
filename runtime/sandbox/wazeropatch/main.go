// Wazeropatch makes a copy of the wazero module with this project's patch, for builds with
// -modfile. It prints the path of the go.mod file of such builds.
//
//	go build -modfile="$(go run ./runtime/sandbox/wazeropatch)" ./cmd/fas
//
// The source is the module cache, which the go command fills. What is copied must have the checksum
// of go.sum. The patch is applied by this program, so that it needs nothing but Go. A copy that
// exists is used again if it has not changed.
//
// docs/wazero-patch.md describes the patch.
package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const module = "github.com/tetratelabs/wazero"

//go:embed wazero.patch
var wazeroPatch []byte

func main() {
	log.SetFlags(0)
	log.SetPrefix("wazeropatch: ")
	root, err := moduleRoot()
	if err != nil {
		log.Fatal(err)
	}
	modfile, err := prepare(root, wazeroPatch)
	if err != nil {
		log.Fatalf("cannot prepare the patched wazero: %v; without the patch: make build WAZERO=stock", err)
	}
	fmt.Println(modfile)
}

// moduleRoot returns the folder of the main module.
func moduleRoot() (string, error) {
	out, err := goCommand(".", "list", "-m", "-f", "{{.Dir}}")
	return strings.TrimSpace(string(out)), err
}

// goCommand returns the standard output of a go command.
func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}

// prepare makes the patched copy of the wazero release that root/go.mod requires, in
// root/.cache/wazero, and returns the path of a go.mod file that replaces wazero with the copy.
func prepare(root string, patch []byte) (modfile string, err error) {
	out, err := goCommand(root, "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var source struct{ Dir, Version string }
	if err := json.Unmarshal(out, &source); err != nil {
		return "", err
	}
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	goSum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return "", err
	}
	id := patchID(patch)
	name := source.Version + "-" + id
	folder := filepath.Join(root, ".cache", "wazero")
	if err := prepareCopy(filepath.Join(folder, name), source.Dir, source.Version, goSum, patch, id); err != nil {
		return "", err
	}
	// Paths of replace directives are relative to the folder of the module, not to the file.
	goMod = fmt.Appendf(goMod, "\nreplace %s => ./%s\n", module, path.Join(".cache/wazero", name))
	if err := writeIfChanged(filepath.Join(folder, "go.sum"), goSum); err != nil {
		return "", err
	}
	modfile = filepath.Join(folder, "go.mod")
	return modfile, writeIfChanged(modfile, goMod)
}

// patchID identifies a patch: it is in the name of the copy's folder, which the Go toolchain records
// in binaries, and in the keys of wazero's compilation cache.
func patchID(patch []byte) string {
	sum := sha256.Sum256(patch)
	return hex.EncodeToString(sum[:6])
}

// prepareCopy makes the patched copy in dir, unless it is there and unchanged.
func prepareCopy(dir, source, version string, goSum, patch []byte, id string) error {
	sumFile := dir + ".sum"
	if stored, err := os.ReadFile(sumFile); err == nil {
		if files, err := readTree(dir); err == nil && string(stored) == checksum(files, version) {
			return nil
		}
	}
	files, err := readTree(source)
	if err != nil {
		return err
	}
	sum := checksum(files, version)
	if !slices.Contains(strings.Split(string(goSum), "\n"), module+" "+version+" "+sum) {
		return fmt.Errorf("the checksum of %s is %s, which is not that of go.sum; run: go clean -modcache", source, sum)
	}
	if err := apply(files, patch); err != nil {
		return fmt.Errorf("the patch does not fit wazero %s: %w", version, err)
	}
	if !setPatchID(files, id) {
		return errors.New("the patch does not declare patchID in " + idFile)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	for name, content := range files {
		to := filepath.Join(made, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Remove(sumFile), os.RemoveAll(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		return err
	}
	return os.WriteFile(sumFile, []byte(checksum(files, version)), 0o644)
}

const (
	idFile     = "internal/engine/wazevo/engine_cache.go"
	unsetID    = `const patchID = ""`
	setID      = `const patchID = "%s"`
	modulePath = module + "@"
)

// setPatchID sets the constant of the patch that becomes a part of the cache's keys.
func setPatchID(files map[string][]byte, id string) bool {
	changed := bytes.Replace(files[idFile], []byte(unsetID), fmt.Appendf(nil, setID, id), 1)
	if bytes.Equal(changed, files[idFile]) {
		return false
	}
	files[idFile] = changed
	return true
}

// readTree returns the regular files below dir, by their names with slashes.
func readTree(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		files[name], err = fs.ReadFile(root, name)
		return err
	})
	return files, err
}

// checksum returns the checksum of a module's files as go.sum has it: the method "h1".
func checksum(files map[string][]byte, version string) string {
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(all, "%x  %s%s/%s\n", sha256.Sum256(files[name]), modulePath, version, name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(all.Sum(nil))
}

// writeIfChanged keeps the modification time of a file whose content is unchanged.
func writeIfChanged(name string, content []byte) error {
	if present, err := os.ReadFile(name); err == nil && bytes.Equal(present, content) {
		return nil
	}
	return os.WriteFile(name, content, 0o644)
}
