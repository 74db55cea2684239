//go:build linux

package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

const source = "../.."

// image is what the last stage of a Dockerfile makes.
type image struct {
	runs                []string    // the commands of the stage before
	copies              [][2]string // from the stage before, and to the image
	env                 []string
	user                uint32
	health, entry, args []string
}

// readDockerfile reads the instructions of the last stage.
func readDockerfile(t *testing.T) (i image) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(source, "examples/container/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	words := func(list string) (all []string) {
		for word := range strings.SplitSeq(strings.Trim(list, "[]"), ",") {
			word, err := strconv.Unquote(strings.TrimSpace(word))
			if err != nil {
				t.Fatalf("%s: %v", list, err)
			}
			all = append(all, word)
		}
		return all
	}
	var runs []string
	for line := range strings.Lines(string(text)) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "FROM":
			i = image{runs: runs}
		case "RUN":
			runs = append(runs, rest)
		case "COPY":
			fields := strings.Fields(rest)
			i.copies = append(i.copies, [2]string{fields[len(fields)-2], fields[len(fields)-1]})
		case "ENV":
			i.env = append(i.env, strings.Fields(rest)...)
		case "USER":
			id, _, _ := strings.Cut(rest, ":")
			n, err := strconv.ParseUint(id, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			i.user = uint32(n)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			i.health = words(command)
		case "ENTRYPOINT":
			i.entry = words(rest)
		case "CMD":
			i.args = words(rest)
		}
	}
	return i
}

// compile runs the commands of the first stage on the files of this module, and returns the folder with what
// they make.
func (i image) compile(t *testing.T) (built string) {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z")
	list.Dir = source
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(source, name), filepath.Join(dir, "source", name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("unshare", append([]string{"--mount", "sh", "testdata/build.sh", dir}, i.runs...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "built")
}

// build makes the root folder of the image, of what the stage before has made.
func (i image) build(t *testing.T, built string) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, c := range i.copies {
		to := filepath.Join(root, c[1])
		var err error
		switch {
		case c[0] == "/src/bin/fas":
			err = copyFile(filepath.Join(built, c[0]), to)
		case c[0] == "/data":
			var out []byte
			if out, err = exec.Command("cp", "-a", filepath.Join(built, c[0]), to).CombinedOutput(); err == nil {
				out, err = exec.Command("chown", "-R", fmt.Sprint(i.user, ":", i.user), to).CombinedOutput()
			}
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
		case strings.HasPrefix(c[0], "/etc/"):
			if err = copyFile(c[0], to); errors.Is(err, os.ErrNotExist) {
				err = nil // this machine has no certificates of authorities
			}
		default:
			t.Fatalf("the image has %s, which this test does not know", c[0])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir := root; dir != "/"; dir = filepath.Dir(dir) { // so that the user of the image reaches it
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o011 != 0o011 {
			if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// command is a program of the image, in it and as its user.
func (i image) command(root string, env []string, words ...string) *exec.Cmd {
	all := append(append([]string{}, i.env...), env...)
	path := words[0]
	for _, variable := range all {
		if dir, ok := strings.CutPrefix(variable, "PATH="); ok && !strings.Contains(path, "/") {
			path = filepath.Join(dir, path)
		}
	}
	cmd := &exec.Cmd{Path: path, Args: words, Env: all, Dir: "/"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: i.user, Gid: i.user, NoSetGroups: true}}
	return cmd
}

// The first stage of the Dockerfile compiles the server on a copy of this machine, and the image has all that the
// server needs: it starts there, as the user of the image, without compiling anything, and its health check finds it
// ready.
func TestImageStarts(t *testing.T) {
	needNamespaces(t)
	t.Parallel()
	i := readDockerfile(t)
	root := i.build(t, i.compile(t))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	// As with `docker run -p`, the address of the image is not that of the test's machine.
	env := []string{"FAASPOT_LISTEN=" + address}
	var log bytes.Buffer
	serve := i.command(root, env, append(i.entry, i.args...)...)
	serve.Stderr = &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = serve.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = serve.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the server:\n%s", log.Bytes())
		}
	})
	var out []byte
	process.Until(t, "the health check succeeds", func() bool {
		out, err = i.command(root, env, i.health...).CombinedOutput()
		return err == nil
	})
	if !strings.HasSuffix(string(out), ": ready\n") {
		t.Errorf("the health check prints %q", out)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	if strings.Contains(log.String(), "compiling") {
		t.Errorf("the image has no compiled interpreter:\n%s", log.String())
	}
	if code := serve.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

// The unit is one for systemd, and the settings beside it are right, with all that is commented out.
func TestServiceFiles(t *testing.T) {
	t.Parallel()
	unit := filepath.Join(source, "examples/systemd/faaspot.service")
	text, err := os.ReadFile(filepath.Join(source, "examples/systemd/faasd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "faasd.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(process.Binary(t), "serve", "--config", path, "--check").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	check(string(text))
	for line := range strings.Lines(string(text)) {
		if line, ok := strings.CutPrefix(line, "# "); ok && strings.Contains(line, " = ") && !strings.HasPrefix(line, "tls_") && !strings.HasPrefix(line, "acme_email") {
			check(line)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("this machine has no systemd-analyze")
	}
	// The program of the unit is not installed here.
	known, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(t.TempDir(), "faaspot.service")
	if err := os.WriteFile(here, bytes.ReplaceAll(known, []byte("/usr/local/bin/fas"), []byte(process.Binary(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", here).CombinedOutput(); err != nil || bytes.Contains(out, []byte("faaspot.service")) {
		t.Errorf("%v: %s", err, out)
	}
}
