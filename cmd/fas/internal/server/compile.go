package server

import (
	"context"
	"log/slog"
	"os"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/redact"
	"github.com/faaspot/faaspot/runtime/sandbox"
)

// Compile compiles the guest for later starts, if that was not done yet, and starts nothing.
func Compile(ctx context.Context, o Options) error {
	log := newLog(o.Terminal, slog.Level(o.LogLevel), o.LogFormat, redact.New())
	if err := os.MkdirAll(o.cacheFolder(), dataMode); err != nil {
		return clierror.Usagef("choose another folder with --cache or --data", "cannot create the folder of the compiled interpreter: %v", err)
	}
	box, err := sandbox.Open(ctx, sandbox.Options{CacheDir: o.cacheFolder(), Log: log, Processors: 1, Memory: memory.New(usualMemory, log)})
	if err != nil {
		return err
	}
	kept := box.Kept()
	if err := box.Close(); err != nil {
		return err
	}
	if !kept {
		return runtime.Errorf(runtime.CodeInternal, "the compiled interpreter could not be stored in %s", o.cacheFolder()).
			WithHint("see the warning above: choose a folder that can be written with --cache or --data")
	}
	log.Info("the Python interpreter is compiled", "folder", o.cacheFolder())
	return nil
}
