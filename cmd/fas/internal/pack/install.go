package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/faaspot/faaspot/runtime"
)

// Names of files that list the packages of a folder, the first that exists counts.
const (
	fileRequirements = "requirements.txt"
	fileUVLock       = "uv.lock"
	filePyLock       = "pylock.toml" // PEP 751
	fileProject      = "pyproject.toml"
)

// pythonVersion is the version of Python in which functions run.
const pythonVersion = "3.13"

// packages are installed packages, in a temporary folder.
type packages struct {
	from   string // the file that lists them; empty: there are none
	items  []item
	native []string // names of those whose extension modules are left out, sorted

	folder string
	root   *os.Root
}

// Close removes the files.
func (p *packages) Close() {
	if p.folder != "" {
		p.root.Close()
		os.RemoveAll(p.folder)
	}
}

// install installs the packages that a folder depends on into a temporary folder.
func install(ctx context.Context, o Options) (p *packages, err error) {
	from := ""
	for _, name := range []string{fileRequirements, fileUVLock, filePyLock, fileProject} {
		if info, err := os.Stat(filepath.Join(o.Dir, name)); err == nil && info.Mode().IsRegular() {
			from = name
			break
		}
	}
	if from == "" {
		return &packages{}, nil
	}
	temp, err := os.MkdirTemp("", "fas-packages-")
	if err != nil {
		return nil, fmt.Errorf("create a temporary folder for packages: %w", err)
	}
	defer func() {
		if err != nil || p.folder == "" {
			os.RemoveAll(temp)
		}
	}()
	i := installer{dir: o.Dir, temp: temp, from: from}
	list, err := i.list(ctx)
	if err != nil {
		return nil, err
	}
	if list == "" {
		return &packages{}, nil
	}
	target := filepath.Join(temp, "packages")
	if err := os.Mkdir(target, 0o700); err != nil {
		return nil, fmt.Errorf("create a temporary folder for packages: %w", err)
	}
	t, err := i.tool(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	o.Progress(func() string {
		return fmt.Sprintf("installing %s with %s, %.0f s", from, t.name, time.Since(began).Seconds())
	})
	if err := i.run(ctx, t, list, target); err != nil {
		return nil, err
	}
	p = &packages{from: from, folder: temp}
	if p.root, err = os.OpenRoot(target); err != nil {
		return nil, fmt.Errorf("open the installed packages: %w", err)
	}
	if err = p.collect(ctx); err != nil {
		p.root.Close()
		return nil, err
	}
	return p, nil
}

// installer installs the packages of one folder.
type installer struct {
	dir, temp string
	from      string // the file that lists the packages
}

// list returns the path of a file with the requirements, which uv and pip read, empty if there are
// none. A lock file of uv, or a pyproject.toml, is converted first.
func (i *installer) list(ctx context.Context) (string, error) {
	path, err := filepath.Abs(filepath.Join(i.dir, i.from))
	if err != nil {
		return "", err
	}
	converted := filepath.Join(i.temp, fileRequirements)
	switch i.from {
	case fileUVLock:
		uv, err := exec.LookPath("uv")
		if err != nil {
			return "", i.needsUV()
		}
		if err := i.command(ctx, tool{name: "uv"}, uv, "export", "--quiet", "--locked", "--no-dev", "--no-emit-project",
			"--no-header", "--no-annotate", "--format", "requirements-txt", "--output-file", converted); err != nil {
			return "", err
		}
		path = converted
	case fileProject:
		requirements, err := projectRequirements(path)
		if err != nil || len(requirements) == 0 {
			return "", err
		}
		if err := os.WriteFile(converted, []byte(strings.Join(requirements, "\n")+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("write the requirements: %w", err)
		}
		path = converted
	case filePyLock:
		return path, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the requirements: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return path, nil
		}
	}
	return "", nil
}

// projectRequirements returns the dependencies of a pyproject.toml.
func projectRequirements(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the project: %w", err)
	}
	var file struct {
		Project struct {
			Dependencies []string `toml:"dependencies"`
			Dynamic      []string `toml:"dynamic"`
		} `toml:"project"`
	}
	if err := toml.Unmarshal(text, &file); err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "%s is not valid: %v", path, err).
			WithHint("correct it, or use --no-install if the folder has all packages")
	}
	for _, name := range file.Project.Dynamic {
		if name == "dependencies" {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the dependencies in %s are dynamic", path).
				WithHint("list them in " + fileRequirements + ", which is used instead")
		}
	}
	return file.Project.Dependencies, nil
}

func (i *installer) needsUV() error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "%s needs uv, and there is none in the PATH", i.from).
		WithHint("install uv, or write the packages to " + fileRequirements + ", which pip reads as well")
}

// tool is a program that installs packages.
type tool struct {
	name  string // as the user calls it
	path  string
	args  []string // before those of an installation
	exact bool     // runs in the version of Python that functions have
	uv    bool
}

// tool returns the program of the user that installs packages: uv, else pip of Python 3.13, else pip of
// any Python.
func (i *installer) tool(ctx context.Context) (tool, error) {
	if uv, err := exec.LookPath("uv"); err == nil {
		return tool{name: "uv", path: uv, args: []string{"pip"}, uv: true}, nil
	}
	if i.from == filePyLock {
		return tool{}, i.needsUV()
	}
	for _, python := range []string{"python" + pythonVersion, "python3", "python"} {
		path, err := exec.LookPath(python)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "-m", "pip", "--version").Output()
		if err == nil {
			exact := strings.Contains(string(out), "(python "+pythonVersion+")")
			return tool{name: "pip", path: path, args: []string{"-m", "pip"}, exact: exact}, nil
		}
	}
	return tool{}, runtime.Errorf(runtime.CodeInvalidArgument, "%s needs uv or pip, and there is neither in the PATH", i.from).
		WithHint("install uv, or Python with pip; or use --no-install if the folder has all packages")
}

// platform has the platforms whose wheels are installed: those of Linux are what most packages have.
// Their extension modules are left out; the Python code beside them is the same on all platforms.
var platforms = []string{
	"manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_24_x86_64", "manylinux_2_17_x86_64",
	"manylinux2014_x86_64", "manylinux_2_12_x86_64", "manylinux2010_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64",
	"linux_x86_64", "any",
}

// run installs the requirements in a file.
func (i *installer) run(ctx context.Context, t tool, list, target string) error {
	args := append(t.args, "install", "--quiet", "--target", target, "-r", list)
	if t.uv {
		return i.command(ctx, t, t.path, append(args, "--python-version", pythonVersion, "--python-platform", "x86_64-manylinux_2_28")...)
	}
	args = append(args, "--no-compile")
	wheels := []string{
		"--only-binary", ":all:", "--python-version", pythonVersion, "--implementation", "cp",
		"--abi", "cp313", "--abi", "abi3", "--abi", "none",
	}
	for _, p := range platforms {
		wheels = append(wheels, "--platform", p)
	}
	err := i.command(ctx, t, t.path, slices.Concat(args, wheels)...)
	e, ok := runtime.AsError(err)
	if ok && !t.exact && strings.Contains(e.Traceback, "a different Python") {
		return i.downloadFirst(ctx, t, list, target, wheels)
	}
	if !ok || !strings.Contains(e.Traceback, "No matching distribution") {
		return err
	}
	if !t.exact {
		e.Hint = "if the package has no wheels, install uv or Python " + pythonVersion + ", which can build it"
		return err
	}
	return i.command(ctx, t, t.path, args...) // builds packages that have no wheels
}

// downloadFirst installs the requirements in a file in two steps, because "pip install" compares the
// versions of Python that a package requires with its own, and "pip download" with --python-version.
func (i *installer) downloadFirst(ctx context.Context, t tool, list, target string, wheels []string) error {
	folder := filepath.Join(i.temp, "wheels")
	download := slices.Concat(t.args, []string{"download", "--quiet", "--dest", folder, "-r", list}, wheels)
	if err := i.command(ctx, t, t.path, download...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.whl"))
	if err != nil {
		return err
	}
	install := slices.Concat(t.args, []string{
		"install", "--quiet", "--no-compile", "--target", target, "--no-deps", "--no-index",
		"--ignore-requires-python",
	}, wheels, files)
	return i.command(ctx, t, t.path, install...)
}

// interruptTime is the time that a program has to end after an interrupt.
const interruptTime = 5 * time.Second

// command runs a program in the folder. Its output is in the error, if it fails.
func (i *installer) command(ctx context.Context, t tool, program string, args ...string) error {
	var out tail
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = i.dir
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "PIP_ROOT_USER_ACTION=ignore", "PIP_USER=0",
		"PIP_REQUIRE_VIRTUALENV=0", "UV_NO_PROGRESS=1", "NO_COLOR=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptTime
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		return fmt.Errorf("run %s: %w", t.name, err)
	}
	e := runtime.Errorf(runtime.CodeDeployFailed, "%s cannot install the packages of %s: %v", t.name, i.from, err).
		WithHint("correct " + i.from + ", or use --no-install if the folder has all packages")
	e.Traceback = out.String()
	return e
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

// maxTail is the number of bytes that a tail keeps.
const maxTail = 16 * runtime.KiB

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if len(t.text) > 2*maxTail {
		t.text = bytes.Clone(t.text[len(t.text)-maxTail:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.ToValidUTF8(string(t.text[max(0, len(t.text)-maxTail):]), "\ufffd")
}
