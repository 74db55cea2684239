package server

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// Config is the file that settings of a server come from.
type Config struct {
	File string // absolute path
	// Read reads the file again, and changes nothing. The error has all mistakes.
	Read func() (Reloaded, error)
}

// Reloaded are the settings of a file that was read again, with the flags and variables that override them.
type Reloaded struct {
	LogLevel  LogLevel
	AccessLog bool
	Later     []string // the others that have changed, which the next start takes
}

// catchHangups lets SIGHUP, which would end the process, read files again, if the server has any. A service
// manager gets an answer in any case.
func (s *server) catchHangups() {
	if s.certificate != nil || s.Config != nil || s.notifier != nil || s.node != nil {
		s.hangups = make(chan os.Signal, 1)
		signal.Notify(s.hangups, syscall.SIGHUP)
	}
}

// leaveHangups is the end of catchHangups.
func (s *server) leaveHangups() {
	if s.hangups != nil {
		signal.Stop(s.hangups)
	}
}

// reloadOnSignal reads the certificate, the settings and the keys of a node again at each signal.
func (s *server) reloadOnSignal(ctx context.Context) {
	for {
		select {
		case <-s.hangups:
			done := s.notifier.reloading()
			if s.certificate != nil {
				s.certificate.reload()
			}
			if s.Config != nil {
				s.reloadSettings()
			}
			if s.node != nil {
				s.node.reloadKeys()
			}
			done()
		case <-ctx.Done():
			return
		}
	}
}

// reloadSettings reads the file of settings again. If it has a mistake, nothing changes.
func (s *server) reloadSettings() {
	next, err := s.Config.Read()
	if err != nil {
		all := []error{err}
		if coded, ok := runtime.AsError(err); ok {
			for _, more := range coded.More {
				all = append(all, more)
			}
		}
		for _, one := range all {
			s.log.Error("the settings cannot be used; the server keeps those before", "file", s.Config.File, "error", clierror.Message(one),
				"hint", "check the file by `fas serve --check`, and keep it in a folder that the server can read")
		}
		return
	}
	// The line is in the log if that has such lines before or after it.
	s.levels.set(min(next.LogLevel, LogLevel(s.levels.server.Level())), next.AccessLog)
	attrs := []any{"file", s.Config.File, "log_level", next.LogLevel.String(), "access_log", next.AccessLog}
	if len(next.Later) > 0 {
		attrs = append(attrs, "at_the_next_start", strings.Join(next.Later, ","))
	}
	s.log.Info("read the settings again", attrs...)
	s.levels.set(next.LogLevel, next.AccessLog)
}

// readAgain returns what a confined server reads to read its settings, and a node its keys of secrets, again: each file and
// the folders in which another may replace it, but no home folder as a whole, which has keys and other files of its user.
func (s *server) readAgain() (all []string) {
	var files []string
	if s.Config != nil {
		files = append(files, s.Config.File)
	}
	if s.node != nil && s.SecretsFile != "" {
		files = append(files, s.SecretsFile)
	}
	homes := homeFolders(s.Environ["HOME"], "/etc/passwd")
	for _, file := range files {
		all = append(all, file)
		for _, folder := range foldersOf(file) {
			if !hasHome(folder, homes) {
				all = append(all, folder)
			}
		}
	}
	return all
}

// homeFolders returns the home folders that are known: that of the process, if it has one, those in the file passwd
// and those at the usual places.
func homeFolders(own, passwd string) []string {
	all, _ := filepath.Glob("/home/*") // the pattern is right
	all = append(all, "/root", "/home", own)
	text, _ := os.ReadFile(passwd) // without it there are the others
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(line, ":"); len(fields) > 5 {
			all = append(all, fields[5])
		}
	}
	return all
}

// hasHome reports whether a folder is the root of all files, one of the home folders, or has one of them below it.
func hasHome(folder string, homes []string) bool {
	folder = resolved(folder)
	for _, home := range append(homes, "/") {
		if !filepath.IsAbs(home) {
			continue
		}
		below, err := filepath.Rel(folder, resolved(home))
		if err != nil || below != ".." && !strings.HasPrefix(below, "../") {
			return true
		}
	}
	return false
}

// resolved returns a path without links, as far as it exists.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return filepath.Clean(path)
}

// foldersOf returns the folders of files, and of those to which they lead: programs replace files, and links to
// them.
func foldersOf(files ...string) (all []string) {
	for _, path := range files {
		all = append(all, filepath.Dir(path))
		if target, err := filepath.EvalSymlinks(path); err == nil {
			all = append(all, filepath.Dir(target))
		}
	}
	return all
}
