package main

import (
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

// reloaded are the settings that a server reads again while it serves, by flag.
var reloaded = map[string]bool{"log-level": true, "access-log": true}

// serveConfig returns how a server with these flags and settings reads its file of settings again, nil if it has
// none.
func (a *app) serveConfig(flags *pflag.FlagSet, first *serveSettings) (*server.Config, error) {
	path := flags.Lookup(configFlag).Value.String()
	if path == "" {
		return nil, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return &server.Config{File: path, Read: func() (next server.Reloaded, err error) {
		again := newServe(&app{env: a.env}).Flags()
		flags.Visit(func(f *pflag.Flag) { // those of the command line
			if same := again.Lookup(f.Name); same != nil { // else it is one of all commands
				same.Value, same.Changed = f.Value, true
			}
		})
		settings := readServeSettings(again, newServe(&app{env: a.env}).Flags(), a.env)
		if err := settings.errs.Err(); err != nil {
			return next, err
		}
		for name, value := range settings.values {
			if value != first.values[name] && !reloaded[name] && !flags.Changed(name) {
				next.Later = append(next.Later, fileKey(name))
			}
		}
		slices.Sort(next.Later)
		next.LogLevel = *again.Lookup("log-level").Value.(*server.LogLevel)
		next.AccessLog, err = again.GetBool("access-log")
		return next, err
	}}, nil
}
