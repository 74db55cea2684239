package pack

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

const source = "def main(args, context):\n    return 1\n"

// layOut writes files to a folder. A path that ends with a slash is a folder, a content that begins
// with "-> " a link.
func layOut(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(target, path)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packed packs a folder and returns the bundle, with the contents of its files.
func packed(t testing.TB, o Options) (*Bundle, map[string]string) {
	t.Helper()
	b, err := Folder(t.Context(), o)
	if err != nil {
		e, _ := runtime.AsError(err)
		t.Fatalf("%v\n%s", err, e.Traceback)
	}
	t.Cleanup(b.Close)
	r, err := zip.NewReader(b.File, b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	contents := make(map[string]string)
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		contents[f.Name] = string(data)
	}
	return b, contents
}

func names(contents map[string]string) []string {
	var list []string
	for name := range contents {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// refused packs a folder and returns the error, which must say what to do.
func refused(t testing.TB, dir string) *runtime.Error {
	t.Helper()
	b, err := Folder(t.Context(), Options{Dir: dir})
	if err == nil {
		b.Close()
		t.Fatal("the folder is packed")
	}
	e, ok := runtime.AsError(err)
	if !ok || e.Hint == "" {
		t.Fatalf("%v has no hint", err)
	}
	return e
}

// TestFolderIsPacked checks what of a folder is in its bundle.
func TestFolderIsPacked(t *testing.T) {
	dir := layOut(t, t.TempDir(), map[string]string{
		"main.py": source, "shop/__init__.py": "", "shop/cart.py": "x = 1\n", "shop/data/prices.json": "{}",
		"größe.txt": "ü", "empty/": "", ".hidden": "h", "notes.txt": "n", "notes/keep.md": "k", "logs/a.log": "l", "logs/b.log": "l",

		".git/config": "g", ".venv/lib/x.py": "v", "environment/pyvenv.cfg": "", "environment/x.py": "v",
		"shop/__pycache__/cart.cpython-313.pyc": "p", "old.pyc": "p", "node_modules/x/index.js": "j", ".mypy_cache/x": "m",
		".env": "SECRET=1", "shop/.env.local": "SECRET=2", ".DS_Store": "d",
		".faasignore": "# a comment\nnotes.txt\n/logs/*\n!/logs/b.log\n",
	})
	b, contents := packed(t, Options{Dir: dir})
	want := []string{
		".hidden", "größe.txt", "logs/b.log", "main.py", "notes/keep.md",
		"shop/__init__.py", "shop/cart.py", "shop/data/prices.json",
	}
	if diff := cmp.Diff(want, names(contents)); diff != "" {
		t.Error(diff)
	}
	if contents["main.py"] != source || b.Files != len(want) || b.Installed != "" || !b.Secrets {
		t.Errorf("%+v", b)
	}
	data, err := os.ReadFile(b.File.Name())
	if err != nil || runtime.BundleID(sha256.Sum256(data)) != b.ID || int64(len(data)) != b.Bytes {
		t.Errorf("the bundle has %d bytes, and another id: %v", len(data), err)
	}
	name := b.File.Name()
	b.Close()
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Error("the file of the bundle is left")
	}
	layOut(t, dir, map[string]string{".faasignore": "!.env\n"})
	if b, contents = packed(t, Options{Dir: dir}); contents[".env"] != "SECRET=1" || b.Secrets {
		t.Error("the ignore file does not bring .env back")
	}
}

// TestSameFilesSameBundle packs the same files with other times and modes, written in another order.
func TestSameFilesSameBundle(t *testing.T) {
	files := map[string]string{"main.py": source, "a/b.py": "1", "a-b.py": "2", "a.py": "3", "z/y/x.txt": strings.Repeat("abc", 10_000)}
	one, _ := packed(t, Options{Dir: layOut(t, t.TempDir(), files)})
	dir := t.TempDir()
	for _, name := range []string{"z/y/x.txt", "a.py", "main.py", "a-b.py", "a/b.py"} {
		layOut(t, dir, map[string]string{name: files[name]})
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Chmod(path, 0o755), os.Chtimes(path, time.Now(), time.Unix(1, 0))); err != nil {
			t.Fatal(err)
		}
	}
	two, _ := packed(t, Options{Dir: dir})
	if one.ID != two.ID {
		t.Error("the same files have two ids")
	}
	layOut(t, dir, map[string]string{"a.py": "4"})
	if three, _ := packed(t, Options{Dir: dir}); three.ID == two.ID {
		t.Error("other files have the same id")
	}
}

// TestLinksStayInTheFolder checks which links are followed.
func TestLinksStayInTheFolder(t *testing.T) {
	outside := layOut(t, t.TempDir(), map[string]string{"secret.txt": "s", "folder/x": "s"})
	dir := layOut(t, t.TempDir(), map[string]string{
		"main.py": source, "lib/a.py": "1", "alias.py": "-> lib/a.py", "other": "-> lib", "lib/up.py": "-> ../main.py",
	})
	_, contents := packed(t, Options{Dir: dir})
	if diff := cmp.Diff([]string{"alias.py", "lib/a.py", "lib/up.py", "main.py", "other/a.py", "other/up.py"}, names(contents)); diff != "" {
		t.Error(diff)
	}
	for name, target := range map[string]string{
		"to a file": filepath.Join(outside, "secret.txt"), "to a folder": filepath.Join(outside, "folder"), "up": "../" + filepath.Base(outside) + "/secret.txt",
		"dangling": "nothing", "into itself": ".", "to itself": "loop", "to a device": "/dev/zero",
	} {
		t.Run(name, func(t *testing.T) {
			dir := layOut(t, t.TempDir(), map[string]string{"main.py": source, "sub/x": "1", "loop": "-> " + target})
			if e := refused(t, dir); !strings.Contains(e.Message, "loop") || !strings.Contains(e.Message, "link") {
				t.Errorf("%q does not name the link", e.Message)
			}
			layOut(t, dir, map[string]string{".faasignore": "loop"})
			packed(t, Options{Dir: dir})
		})
	}
	if e := refused(t, layOut(t, t.TempDir(), map[string]string{"main.py": "-> " + filepath.Join(outside, "secret.txt")})); !strings.Contains(e.Message, "main.py") {
		t.Error(e)
	}
}

// TestFoldersThatAreRefused checks the errors about folders that are no bundle.
func TestFoldersThatAreRefused(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"has no file main.py": {"app.py": source},
		"no file main.py":     {"main.py/x": ""},
		"main.py of":          {"main.py": strings.Repeat("#", runtime.MaxSource+1)},
		"only in case":        {"main.py": source, "readme": "1", "README": "2"},
		"backslash":           {"main.py": source, `a\b`: "1"},
		"dot or a space":      {"main.py": source, "a.": "1"},
		".faasignore":         {"main.py": source, ".faasignore": strings.Repeat("x\n", 1<<20)},
	} {
		if e := refused(t, layOut(t, t.TempDir(), files)); !strings.Contains(e.Message, want) {
			t.Errorf("%q does not contain %q", e.Message, want)
		}
	}
	if e := refused(t, filepath.Join(t.TempDir(), "none")); !strings.Contains(e.Message, "cannot open") {
		t.Error(e)
	}
	if e := refused(t, filepath.Join(layOut(t, t.TempDir(), map[string]string{"main.py": source}), "main.py")); !strings.Contains(e.Message, "cannot open") {
		t.Error(e)
	}
}

// TestLargestPartsAreNamed checks the errors about folders that are too large.
func TestLargestPartsAreNamed(t *testing.T) {
	dir := layOut(t, t.TempDir(), map[string]string{"main.py": source, "video/b": "", "small.txt": "1"})
	for name, size := range map[string]int64{"video/b": 100 << 20, "dump.sql": 140 << 20, "c.bin": 11 << 20} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	e := refused(t, dir)
	if e.Code != runtime.CodeTooLarge || !strings.Contains(e.Message, "251.0 MiB") ||
		!strings.Contains(e.Hint, "dump.sql (140.0 MiB), video (100.0 MiB), c.bin (11.0 MiB)") {
		t.Errorf("%v, hint %q", e, e.Hint)
	}

	if !testing.Short() {
		noise := make([]byte, 51<<20)
		_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
		dir = layOut(t, t.TempDir(), map[string]string{"main.py": source, "model/weights": string(noise), "a.txt": "1"})
		if e := refused(t, dir); e.Code != runtime.CodeTooLarge || !strings.Contains(e.Message, "compressed") || !strings.Contains(e.Hint, "model (51.0 MiB)") {
			t.Errorf("%v, hint %q", e, e.Hint)
		}
	}

	many := make([]item, runtime.MaxBundleFiles+1)
	for i := range many {
		many[i].path = "cache/x"
	}
	many[0].path = "main.py"
	if e, _ := runtime.AsError(checkSizes(many)); e == nil || !strings.Contains(e.Hint, "cache (25000 files)") {
		t.Error(e)
	}
}

func TestInterruptEndsThePacking(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	cancel(cause)
	if _, err := Folder(ctx, Options{Dir: layOut(t, t.TempDir(), map[string]string{"main.py": source})}); !errors.Is(err, cause) {
		t.Error(err)
	}
}

// TestIgnoreIsThatOfGit compares the rules with those of git.
func TestIgnoreIsThatOfGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("there is no git")
	}
	patterns := []string{
		"a", "/a", "a/", "/a/", "a/b", "*.log", "/*.log", "a/*", "a/**", "**/b", "**/a/b", "a/**/c", "a/**/b/c", "*/b", "*/b/", "?", "??",
		"[ab]", "[!a]", "[^a]", "[a-c].log", "x[]]y", "x[[]y", `\#a`, `\!a`, `a\*`, "#a", "", "  ", "a ", `a\ `, "a b", "**", "*", "/**", "***",
		"a**b", "A", "a.log", "[", "x[", ".*", "a/*/c", "b/", "/b", "ü", "x?y", "a/b/", "!a", "{a,b}", "a|b", "(a)", "a+",
	}
	paths := []string{
		"a", "b", "c", "ab", "a b", "a.log", "b.log", "x/a", "x/a/b", "a/b", "a/b/c", "a/c", "a/x/c", "a/x/b/c", "x/b", "x/b/c", "x]y", "x[y", "xzy",
		"#a", "!a", "a*", "a ", "A", ".hidden", "d/.hidden", "aXb", "a/xb", "{a,b}", "a|b", "(a)", "a+", "[", "x[",
	}
	// git takes what does not exist for a file.
	for _, folders := range []bool{false, true} {
		dir := t.TempDir()
		run := func(in string, args ...string) string {
			cmd := exec.Command(git, args...)
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
			cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
			out, err := cmd.Output()
			if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) { // 1: none is ignored
				t.Fatalf("git %v: %v", args, err)
			}
			return string(out)
		}
		run("", "init", "-q")
		for _, path := range paths {
			if folders {
				layOut(t, dir, map[string]string{path + "/": ""})
			}
		}
		for _, pattern := range patterns {
			for _, text := range []string{pattern + "\n", "*.log\n" + pattern + "\n!b.log\n"} {
				if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				ignored := strings.Split(run(strings.Join(paths, "\x00"), "check-ignore", "-z", "--no-index", "--stdin"), "\x00")
				rules, err := parseIgnore("test", text)
				if err != nil {
					t.Fatal(err)
				}
				for _, path := range paths {
					got := false
					for i := range len(path) + 1 { // as a walk does: nothing below a folder that is left out
						if i == len(path) || path[i] == '/' {
							got = got || rules.has(path[:i], folders || i < len(path))
						}
					}
					if want := slices.Contains(ignored, path); got != want {
						t.Errorf("%q leaves out %q: %v, git says %v", text, path, got, want)
					}
				}
			}
		}
	}
}

// wheel writes a wheel for CPython 3.13 on Linux to a folder and returns its SHA-256.
func wheel(t testing.TB, dir, name, version, tag string, files map[string]string) string {
	t.Helper()
	info := name + "-" + version + ".dist-info/"
	all := map[string]string{
		info + "METADATA": "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: " + tag + "\n",
	}
	for path, content := range files {
		all[path] = content
	}
	record := info + "RECORD,,\n"
	for path := range all {
		record += path + ",,\n"
	}
	all[info+"RECORD"] = record
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for path, content := range all {
		f, err := w.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layOut(t, dir, map[string]string{name + "-" + version + "-" + tag + ".whl": out.String()})
	sum := sha256.Sum256(out.Bytes())
	return hex.EncodeToString(sum[:])
}

const linuxTag = "cp313-cp313-manylinux_2_17_x86_64"

// speedy has what a package with an extension module has.
var speedy = map[string]string{
	"speedy/__init__.py":                           "try:\n    from ._fast import f\nexcept ImportError:\n    f = int\n",
	"speedy/_fast.cpython-313-x86_64-linux-gnu.so": "\x7fELF",
	"speedy/_stubs/__init__.pyi":                   "f: int\n",
	"speedy/data/table.json":                       "{}",
	"speedy/test/__init__.py":                      "# a part of the package\n",
	"speedy/tests/__init__.py":                     "",
	"speedy/tests/test_fast.py":                    "assert True\n",
	"speedy/tests_of_speed.py":                     "",
	"speedy.libs/libfast-1.so.3":                   "\x7fELF",
	"speedy-1.0.data/scripts/speedy":               "#!python\n",
}

// tools calls a test with each tool of this machine that installs packages.
func tools(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	found := false
	if uv, err := exec.LookPath("uv"); err == nil {
		found = true
		t.Run("uv", func(t *testing.T) {
			t.Setenv("PATH", filepath.Dir(uv)+":"+os.Getenv("PATH"))
			test(t)
		})
	}
	for _, python := range []string{"python3.13", "python3"} {
		out, err := exec.Command(python, "-c", "import pip, sys; print(sys.executable)").Output()
		if err != nil {
			continue
		}
		path := strings.TrimSpace(string(out))
		found = true
		t.Run("pip", func(t *testing.T) {
			// Without uv, which may be in the same folder.
			dir := layOut(t, t.TempDir(), map[string]string{"python3": "#!/bin/sh\nexec '" + path + "' \"$@\"\n"})
			if err := os.Chmod(filepath.Join(dir, "python3"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			test(t)
		})
		break
	}
	if !found {
		t.Skip("there is neither uv nor pip")
	}
}

// TestPackagesAreInstalled installs wheels, with the hashes of a requirements.txt.
func TestPackagesAreInstalled(t *testing.T) {
	tools(t, func(t *testing.T) {
		dir := layOut(t, t.TempDir(), map[string]string{"main.py": source, ".faasignore": "wheels/\n"})
		t.Setenv("TMPDIR", t.TempDir())
		wheels := filepath.Join(dir, "wheels")
		hash := wheel(t, wheels, "speedy", "1.0", linuxTag, speedy)
		wheel(t, wheels, "speedy", "2.0", "cp312-cp312-manylinux_2_17_x86_64", speedy) // of another Python
		pure := wheel(t, wheels, "pure.thing", "1.0", "py3-none-any", map[string]string{"pure/__init__.py": "", "pure/__main__.py": ""})
		layOut(t, dir, map[string]string{
			"requirements.txt": "--no-index\n--find-links " + wheels + "\nspeedy==1.0 --hash=sha256:" + hash + "\npure.thing==1.0 --hash=sha256:" + pure + "\n",
		})
		b, contents := packed(t, Options{Dir: dir})
		want := []string{
			"main.py", "pure.thing-1.0.dist-info/METADATA", "pure.thing-1.0.dist-info/RECORD", "pure.thing-1.0.dist-info/WHEEL",
			"pure/__init__.py", "pure/__main__.py", "requirements.txt",
			"speedy-1.0.dist-info/METADATA", "speedy-1.0.dist-info/RECORD", "speedy-1.0.dist-info/WHEEL",
			"speedy/__init__.py", "speedy/data/table.json", "speedy/test/__init__.py", "speedy/tests_of_speed.py",
		}
		if diff := cmp.Diff(want, names(contents)); diff != "" {
			t.Error(diff)
		}
		if b.Installed != "requirements.txt" || !slices.Equal(b.Native, []string{"speedy"}) {
			t.Errorf("installed %q, native %q", b.Installed, b.Native)
		}
		if again, _ := packed(t, Options{Dir: dir}); again.ID != b.ID {
			t.Error("two installations give two bundles")
		}
		if none, contents := packed(t, Options{Dir: dir, NoInstall: true}); len(contents) != 2 || none.Installed != "" {
			t.Errorf("packages are installed: %v", names(contents))
		}

		bad := strings.Replace(hash, hash[:8], "00000000", 1)
		layOut(t, dir, map[string]string{"requirements.txt": "--no-index\n--find-links " + wheels + "\nspeedy==1.0 --hash=sha256:" + bad + "\n"})
		if e := refused(t, dir); e.Code != runtime.CodeDeployFailed || !strings.Contains(strings.ToLower(e.Traceback), "hash") {
			t.Errorf("another hash: %v\n%s", e, e.Traceback)
		}
		left, err := filepath.Glob(filepath.Join(os.TempDir(), "fas-packages-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("temporary folders are left: %v, %v", left, err)
		}
	})
}

// TestPackagesOfNewerPythons installs a package that requires Python 3.13, which the Python of the tool
// may not be, and not the version of it that functions are too old for.
func TestPackagesOfNewerPythons(t *testing.T) {
	tools(t, func(t *testing.T) {
		dir := layOut(t, t.TempDir(), map[string]string{"main.py": source, ".faasignore": "wheels/\n"})
		wheels := filepath.Join(dir, "wheels")
		requiring := func(version, python string) map[string]string {
			return map[string]string{
				"newer/__init__.py": "version = " + version + "\n",
				"newer-" + version + ".dist-info/METADATA": "Metadata-Version: 2.1\nName: newer\nVersion: " + version +
					"\nRequires-Python: >=" + python + "\nRequires-Dist: speedy\n",
			}
		}
		wheel(t, wheels, "newer", "1.0", "py3-none-any", requiring("1.0", "3.13"))
		wheel(t, wheels, "newer", "2.0", "py3-none-any", requiring("2.0", "3.14"))
		wheel(t, wheels, "speedy", "1.0", linuxTag, speedy)
		layOut(t, dir, map[string]string{"requirements.txt": "--no-index\n--find-links " + wheels + "\nnewer\n"})
		b, contents := packed(t, Options{Dir: dir})
		if contents["newer/__init__.py"] != "version = 1.0\n" || contents["speedy/__init__.py"] == "" || !slices.Equal(b.Native, []string{"speedy"}) {
			t.Errorf("native %q, files %v", b.Native, names(contents))
		}
	})
}

// TestFileOfFolderAndPackage checks the error about a file that is in the folder and in a package.
func TestFileOfFolderAndPackage(t *testing.T) {
	own := []item{{path: "main.py"}, {path: "speedy/__init__.py"}}
	p := &packages{from: "requirements.txt", items: []item{{path: "pure.py"}, {path: "speedy/__init__.py"}}}
	e, ok := runtime.AsError(second(merge(own, p)))
	if !ok || !strings.Contains(e.Message, "speedy/__init__.py") || !strings.Contains(e.Message, "requirements.txt") {
		t.Error(e)
	}
	p.items = p.items[:1]
	if all, err := merge(own, p); err != nil || len(all) != 3 {
		t.Error(all, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestProjectsAreInstalled installs the dependencies of a pyproject.toml.
func TestProjectsAreInstalled(t *testing.T) {
	tools(t, func(t *testing.T) {
		dir := layOut(t, t.TempDir(), map[string]string{"main.py": source, ".faasignore": "wheels/\n"})
		wheels := filepath.Join(dir, "wheels")
		wheel(t, wheels, "speedy", "1.0", linuxTag, speedy)
		t.Setenv("PIP_NO_INDEX", "1")
		t.Setenv("PIP_FIND_LINKS", wheels)
		t.Setenv("UV_NO_INDEX", "1")
		t.Setenv("UV_OFFLINE", "1")
		t.Setenv("UV_FIND_LINKS", wheels)
		layOut(t, dir, map[string]string{"pyproject.toml": "[project]\nname = \"x\"\ndependencies = [\"speedy>=1\"]\n"})
		b, contents := packed(t, Options{Dir: dir})
		if b.Installed != "pyproject.toml" || contents["speedy/__init__.py"] == "" {
			t.Errorf("installed %q: %v", b.Installed, names(contents))
		}
	})
}

// TestListsWithoutPackages needs no tool.
func TestListsWithoutPackages(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, text := range map[string]string{
		"requirements.txt": "# nothing\n\n", "pyproject.toml": "[tool.ruff]\nline-length = 100\n",
	} {
		if b, _ := packed(t, Options{Dir: layOut(t, t.TempDir(), map[string]string{"main.py": source, name: text})}); b.Installed != "" {
			t.Errorf("%s installs packages", name)
		}
	}
	for name, text := range map[string]string{
		"requirements.txt": "speedy\n", "uv.lock": "version = 1\n", "pylock.toml": "lock-version = \"1.0\"\n",
		"pyproject.toml": "[project]\ndynamic = [\"dependencies\"]\n",
	} {
		if e := refused(t, layOut(t, t.TempDir(), map[string]string{"main.py": source, name: text})); !strings.Contains(e.Message, name) {
			t.Errorf("%q does not name %s", e.Message, name)
		}
	}
	if e := refused(t, layOut(t, t.TempDir(), map[string]string{"main.py": source, "pyproject.toml": "["})); !strings.Contains(e.Message, "not valid") {
		t.Error(e)
	}
}

// TestLockFilesGoToUV checks what uv is called with, by a program in its place.
func TestLockFilesGoToUV(t *testing.T) {
	const fake = `#!/bin/sh
echo "$@" >> "$CALLS"
while [ $# -gt 0 ]; do
  case "$1" in
    --output-file) echo "speedy==1.0" > "$2" ;;
    --target) mkdir -p "$2/speedy" && echo "" > "$2/speedy/__init__.py" ;;
  esac
  shift
done
`
	bin := layOut(t, t.TempDir(), map[string]string{"uv": fake})
	if err := os.Chmod(filepath.Join(bin, "uv"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for name, want := range map[string][]string{
		"uv.lock":          {"export --quiet --locked --no-dev", "pip install --quiet --target "},
		"pylock.toml":      {"pip install --quiet --target "},
		"requirements.txt": {"pip install --quiet --target "},
	} {
		calls := filepath.Join(t.TempDir(), "calls")
		t.Setenv("CALLS", calls)
		dir := layOut(t, t.TempDir(), map[string]string{"main.py": source, name: "speedy==1.0\n", "pyproject.toml": "[project]\ndependencies = [\"other\"]\n"})
		b, contents := packed(t, Options{Dir: dir})
		if _, ok := contents["speedy/__init__.py"]; !ok || b.Installed != name {
			t.Errorf("%s: %q installed: %v", name, b.Installed, names(contents))
		}
		text, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if len(lines) != len(want) || !strings.Contains(lines[len(lines)-1], "--python-version 3.13") {
			t.Fatalf("%s: %q", name, lines)
		}
		for i := range want {
			if !strings.HasPrefix(lines[i], want[i]) {
				t.Errorf("%s: %q, want %q", name, lines[i], want[i])
			}
		}
	}
}

func TestNamesOfPackages(t *testing.T) {
	for folder, want := range map[string]string{
		"PyYAML-6.0.dist-info": "pyyaml", "pydantic_core-2.50.5.dist-info": "pydantic-core", "ruamel.yaml.clib-1.dist-info": "ruamel-yaml-clib",
	} {
		if got := packageName(folder); got != want {
			t.Errorf("%s is %q, want %q", folder, got, want)
		}
	}
}
