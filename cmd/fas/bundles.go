package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/pack"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// aboutFolders describes --dir.
const aboutFolders = `With --dir the function is a folder: main.py, its modules, packages and data files; or a
zip of all that. The packages that requirements.txt lists (else uv.lock, pylock.toml or pyproject.toml) are
installed into a folder's bundle with your uv or pip, for Python 3.13, without extension
modules; see "fas deploy --help".`

// folderFlags are the flags of commands that deploy a folder, or a zip.
type folderFlags struct {
	dir       string
	noInstall bool
}

func (f *folderFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.dir, "dir", "d", "", "`DIR` with main.py and all that belongs to it, or a zip of it")
	f.installFlag(cmd)
}

func (f *folderFlags) installFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.noInstall, "no-install", false, "install no packages: the folder has all of them")
}

// check checks the flags of a command that deploys a folder or a file.
func (f *folderFlags) check(cmd *cobra.Command) error {
	if f.noInstall && f.dir == "" {
		return clierror.Usagef("add --dir", "--no-install has no effect without --dir")
	}
	return exclusive(cmd, "dir", "file")
}

// pack packs a folder, and reports on the standard error what was left out. A file is a zip, which is
// taken as it is. The caller closes the bundle.
func (a *app) pack(ctx context.Context, f folderFlags) (*pack.Bundle, error) {
	if info, err := os.Stat(f.dir); err == nil && !info.IsDir() {
		return pack.Zip(f.dir)
	}
	status := a.StatusLine()
	b, err := pack.Folder(ctx, pack.Options{Dir: f.dir, NoInstall: f.noInstall, Progress: status.Set})
	status.Clear()
	if err != nil {
		return nil, err
	}
	if b.Secrets {
		fmt.Fprintln(a.Err, "note: .env is left out; give settings and secrets as the context, with --context-file")
	}
	if len(b.Native) > 0 {
		fmt.Fprintf(a.Err, "note: the extension modules of %s are left out; Python code runs instead, where they have it\n", strings.Join(b.Native, ", "))
	}
	return b, nil
}

// settings are the settings of a function that a command changes along with its code.
type settings struct {
	context *string
	limits  limits
	retries *int
	allow   *[]string
	keep    *bool // whether args are kept
}

// read returns the settings that the flags give.
func (l limits) settings(cmd *cobra.Command, a *app, contextFile string) (s settings, err error) {
	s = settings{limits: l, retries: l.givenRetries(cmd), allow: l.givenAllow(cmd), keep: l.givenKeepArgs(cmd)}
	if contextFile != "" {
		s.context, err = a.ReadText(cmd.Context(), contextFile, "context file", runtime.MaxContext)
	}
	return s, err
}

// withFile returns the settings with those of the file faaspot.toml in a folder where they are not
// given.
func (s settings) withFile(dir string) (settings, error) {
	path := filepath.Join(dir, jobfile.FunctionFile)
	data, err := readSettings(path)
	if data == nil || err != nil {
		return s, err
	}
	f, err := jobfile.ParseSettings(path, data)
	if err != nil {
		return s, err
	}
	s.limits.timeout = cmp.Or(s.limits.timeout, ui.Seconds(f.Timeout))
	s.limits.memory = cmp.Or(s.limits.memory, ui.Megabytes(f.Memory))
	s.retries = cmp.Or(s.retries, f.Retries)
	if s.allow == nil && f.Allow != nil {
		s.allow = &f.Allow
	}
	return s, nil
}

// readSettings reads a file with settings, nil if there is none.
func readSettings(path string) ([]byte, error) {
	const largest = 64 * runtime.KiB
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, clierror.Usagef("", "cannot read the settings of the function: %v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largest+1))
	switch {
	case err != nil:
		return nil, clierror.Usagef("", "cannot read the settings of the function: %v", err)
	case len(data) > largest:
		return nil, clierror.Usagef("", "%s has more than %s bytes", path, runtime.SizeText(largest))
	}
	return data, nil
}

// ofBundle returns the settings that change along with a bundle.
func (s settings) ofBundle() client.BundleSettings {
	return client.BundleSettings{Timeout: float64(s.limits.timeout), Memory: int64(s.limits.memory), Retries: s.retries, Allow: s.allow, KeepArgs: s.keep}
}

// deployment is a folder to deploy as a function.
type deployment struct {
	name     string
	folder   folderFlags
	settings settings
	// create and update allow that the function does not exist, and that it exists.
	create, update bool
	// again returns the command that changes a function that exists, for a hint.
	again func() string
}

// deployFolder packs a folder and deploys it.
//
// The context is a secret, which must not be in a URL, and so it does not travel with a bundle. That of a
// function that exists changes before the code: new code may need what is new in it. A new function gets
// it after its code.
func (a *app) deployFolder(ctx context.Context, d deployment) (c change, err error) {
	server, err := a.connect()
	if err != nil {
		return c, err
	}
	defer server.Close()
	if d.settings, err = d.settings.withFile(d.folder.dir); err != nil {
		return c, err
	}
	if _, err := d.exists(ctx, server); err != nil {
		return c, err // before packages are installed
	}
	b, err := a.pack(ctx, d.folder)
	if err != nil {
		return c, err
	}
	defer b.Close()
	exists, err := d.exists(ctx, server)
	if err != nil {
		return c, err
	}
	c = change{Name: d.name, Change: "created"}
	setContext := func() error {
		if d.settings.context == nil {
			return nil
		}
		_, err := server.Update(ctx, d.name, client.UpdateRequest{Context: d.settings.context})
		return err
	}
	if exists {
		c.Change = "updated"
		if err := setContext(); err != nil {
			return c, err
		}
	}
	c.ID, err = a.sendBundle(ctx, server, d, b)
	switch {
	case exists && err != nil && d.settings.context != nil:
		fmt.Fprintln(a.Err, "note: the context that was given has changed, the code has not")
	case !exists && err == nil:
		if err = setContext(); err != nil {
			fmt.Fprintf(a.Err, "note: the function %s was created, but without its context; set it with %s\n", d.name, a.command("functions update "+d.name+" --context-file FILE"))
		}
	}
	return c, err
}

// exists reports whether the function exists. It is an error if the deployment does not allow that.
func (d deployment) exists(ctx context.Context, c *client.Client) (bool, error) {
	_, err := c.Function(ctx, d.name)
	switch {
	case err == nil && !d.update:
		return true, runtime.FunctionNameTakenError(d.name).WithHint("change it with " + d.again() + ", or choose another name")
	case d.create && runtime.CodeOf(err) == runtime.CodeNotFound:
		return false, nil
	}
	return true, err
}

// sendBundle sends a bundle and waits until it is deployed.
func (a *app) sendBundle(ctx context.Context, c *client.Client, d deployment, b *pack.Bundle) (executionID string, err error) {
	status := a.StatusLine()
	defer status.Clear()
	sent := &sentBytes{ReaderAt: b.File}
	began := time.Now()
	status.Set(func() string {
		if n := sent.n.Load(); n < b.Bytes {
			return fmt.Sprintf("sending %.1f of %.1f MB", float64(n)/1e6, float64(b.Bytes)/1e6)
		}
		return fmt.Sprintf("deploying %d files, %s", b.Files, ui.SecondsText(time.Since(began)))
	})
	return c.PutBundle(ctx, d.name, d.settings.ofBundle(), sent, b.Bytes)
}

// sentBytes counts what is read of a bundle while it is sent.
type sentBytes struct {
	io.ReaderAt
	n atomic.Int64 // end of what was read
}

func (s *sentBytes) ReadAt(p []byte, offset int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, offset)
	s.n.Store(offset + int64(n))
	return n, err
}
