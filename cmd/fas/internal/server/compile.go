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
		return clierror.Usagef("choose another folder with --data", "cannot create the data folder: %v", err)
	}
	if err := o.compile(ctx, log); err != nil {
		return err
	}
	if !sandbox.IsCompiled(o.cacheFolder()) {
		return runtime.Errorf(runtime.CodeInternal, "the compiled interpreter could not be stored in %s", o.cacheFolder()).
			WithHint("see the warning above: choose a folder that can be written with --data")
	}
	log.Info("the Python interpreter is compiled", "folder", o.cacheFolder())
	return nil
}

// compile compiles the guest, if that was not done yet.
func (o *Options) compile(ctx context.Context, log *slog.Logger) error {
	box, err := sandbox.Open(ctx, sandbox.Options{CacheDir: o.cacheFolder(), Log: log, Processors: 1, Memory: memory.New(usualMemory, log)})
	if err != nil {
		return err
	}
	return box.Close()
}
