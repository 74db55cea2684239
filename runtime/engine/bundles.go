package engine

import (
	"context"
	"io"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/bundle"
)

const (
	// openBundleBytes is the largest memory, in bytes, for the directory of a bundle.
	openBundleBytes = 32 * runtime.MiB
	// openBundlePatience is the longest time that a deployment waits for that memory.
	openBundlePatience = 10 * time.Second
)

// readMain checks a bundle and returns its main file. The errors are those of a bundle that is not
// valid, or CodeTooBusy.
func (e *Engine) readMain(ctx context.Context, b *runtime.BundleUpload) (source []byte, err error) {
	if b.Bytes > runtime.MaxBundle {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "the bundle has more than the %s bytes that are allowed", runtime.SizeText(runtime.MaxBundle)).
			WithHint("leave out what the function does not need")
	}
	patient, cancel := context.WithTimeout(ctx, openBundlePatience)
	defer cancel()
	if err := e.bundles.Take(patient, openBundleBytes); err != nil {
		return nil, err
	}
	defer e.bundles.Give(openBundleBytes)
	// Only hostile input gets here, so a panic must not end the server.
	defer recoverPanic("engine.bundle", &err)
	archive, err := bundle.Open(b.Content, b.Bytes)
	if err != nil {
		return nil, err
	}
	return archive.Main()
}

// stage stores the bundle of an update, if it has one, and holds it until release is called.
func (e *Engine) stage(ctx context.Context, u *runtime.FunctionUpdate) (release func(), err error) {
	if u.Bundle == nil {
		return func() {}, nil
	}
	return e.store.StageBundle(ctx, u.Tenant, u.Bundle.Bundle, io.NewSectionReader(u.Bundle.Content, 0, u.Bundle.Bytes))
}

// holdBundle holds the bundle of a version that is about to be retired, if it has one, until release is
// called: a run that has begun may need it although the version is not stored any more.
func (e *Engine) holdBundle(tenant runtime.Tenant, b runtime.Bundle) (release func()) {
	if b.IsZero() {
		return func() {}
	}
	return e.store.HoldBundle(tenant, b.ID)
}

// GetBundle returns the bundle of a function's current version. The error is CodeNotFound if the
// function is a single file.
func (e *Engine) GetBundle(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Bundle, error) {
	const op = "engine.bundle"
	d, err := e.GetFunction(ctx, tenant, name)
	if err != nil {
		return runtime.Bundle{}, err
	}
	if d.Version.Bundle.IsZero() {
		return runtime.Bundle{}, withOp(op, runtime.Errorf(runtime.CodeNotFound, "the function %q is a single file and has no bundle", name).
			WithHint("get the function itself: its code is all there is"))
	}
	return d.Version.Bundle, nil
}

// ReadBundle writes the zip of a bundle to w. The error is CodeNotFound if the tenant has no such
// bundle.
func (e *Engine) ReadBundle(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, w io.Writer) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	return withOp("engine.bundle", e.store.ReadBundle(ctx, tenant, id, w))
}
