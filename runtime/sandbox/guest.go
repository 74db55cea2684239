package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sync/errgroup"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/pyguest/instrument"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// wasmPage is the unit in which linear memory grows, in bytes.
const wasmPage = 64 * runtime.KiB

// Names of the guest's exports.
const (
	exportStack   = "__stack_pointer"
	exportTicks   = instrument.TicksGlobal
	exportCompile = "faas_compile"
	exportDeploy  = "faas_deploy"
	exportRun     = "faas_run"
	exportStart   = "_initialize"
	exportVersion = "faas_protocol"
	exportInit    = "faas_init"
	exportBoot    = "faas_boot"
	exportPregrow = "faas_pregrow"
)

// guest is the compiled guest and the base image made with it.
type guest struct {
	engine wazero.Runtime
	module wazero.CompiledModule // without data segments: the memory is loaded from an image
	base   *baseImage
	bare   *image // the base image itself; deployments start from it
	mapped bool   // slots use mappedMemory
	kept   bool   // the cache has its code
	tree   *wasi.Tree
	clock  wasi.Clock
	random io.Reader
	timers *timers
	deltas deltaPages // of parked runs
	log    *slog.Logger
}

// maxCompilers is the largest number of processors that compile the guest, once per machine. Each
// needs some 40 MB for it.
const maxCompilers = 8

// systemFiles are the files that programs read to learn about the system, by path: the one host and
// the one user that the bootstrap's network.py and accounts.py name.
var systemFiles = map[string][]byte{
	"etc/hostname": []byte("localhost\n"),
	"etc/hosts":    []byte("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"),
	"etc/passwd":   []byte("root:x:0:0:root:/tmp:/bin/sh\n"),
	"etc/group":    []byte("root:x:0:\n"),
}

// rootFiles are where programs look for the trust anchors of the machine, as on Debian.
var rootFiles = []string{"etc/ssl/certs/ca-certificates.crt", "usr/lib/ssl/cert.pem"}

// hostClock is the machine's clock as the guests see it.
type hostClock struct{ start time.Time }

// Now implements wasi.Clock.
func (c hostClock) Now() (wall, monotonic int64) {
	now := time.Now()
	return now.UnixNano(), int64(now.Sub(c.start))
}

// openGuest compiles the guest, or loads the compiled code from the cache. Steps that do not depend
// on each other run at the same time, so that a server starts in half a second.
func openGuest(ctx context.Context, o Options) (*guest, error) {
	g := &guest{log: o.Log, clock: o.clock, random: o.random, timers: newTimers()}
	var data []wasmbin.Segment
	var cache *compilationCache
	var storeCode func()
	checked := make(chan struct{})
	var work errgroup.Group
	work.Go(func() error {
		// This comes first because compiling waits for it.
		cache = openCompilationCache(ctx, o.CacheDir, o.Log)
		close(checked)
		files, err := pyguest.Files()
		if err == nil {
			maps.Copy(files, systemFiles)
			for _, path := range rootFiles {
				files[path] = tlsengine.SystemPEM()
			}
			g.tree, err = wasi.NewTree(files)
		}
		return err
	})
	work.Go(func() error {
		binary, err := pyguest.Module()
		if err != nil {
			return err
		}
		work.Go(func() error { return checkGlobals(binary) })
		var code []byte
		if code, data, err = wasmbin.SplitData(binary); err != nil {
			return err
		}
		<-checked
		storeCode, err = g.compile(experimental.WithCompilationWorkers(ctx, min(o.Processors, maxCompilers)), cache, code)
		return err
	})
	err := work.Wait()
	if err == nil {
		work.Go(func() error {
			storeCode()
			return nil
		})
		work.Go(func() error { return g.makeBase(ctx, data, o.Portable) })
		err = work.Wait()
	}
	cache.unlock()
	if err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	g.kept = cache.kept
	return g, nil
}

// checkGlobals verifies what slots rely on: all state of an instance is its memory, which is
// restored, its tables, which no instruction of the guest changes, and the globals that slots
// reset. Verifying the tables takes reading all of the code, so the instrumenter and a test do
// that.
func checkGlobals(binary []byte) error {
	globals, err := wasmbin.Globals(binary)
	if err != nil {
		return err
	}
	for _, g := range globals {
		if !slices.Contains(g.Exports, exportStack) && !slices.Contains(g.Exports, exportTicks) {
			return fmt.Errorf("the guest has a mutable global %d %q that slots do not reset", g.Index, g.Exports)
		}
	}
	return nil
}

func (g *guest) compile(ctx context.Context, cache *compilationCache, code []byte) (store func(), err error) {
	made, store, err := cache.compile(ctx, code, func(cache wazero.CompilationCache, module []byte) (compilation, error) {
		return compileModule(ctx, cache, module)
	})
	if err != nil {
		return nil, fmt.Errorf("compiling the guest: %w", err)
	}
	g.engine, g.module = made.engine, made.module
	return store, g.exportHost(ctx, g.engine)
}

func compileModule(ctx context.Context, cache wazero.CompilationCache, module []byte) (compilation, error) {
	// Require the compiler. wazero would silently fall back to its interpreter where memory cannot
	// be made executable, and that is slower by an order of magnitude.
	config := wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(runtime.MaxMemory / wasmPage)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	engine := wazero.NewRuntimeWithConfig(ctx, config)
	compiled, err := engine.CompileModule(ctx, module)
	if err != nil {
		return compilation{}, errors.Join(err, engine.Close(ctx))
	}
	return compilation{engine, compiled}, nil
}

// exportHost adds to the engine the modules that the guest imports.
func (g *guest) exportHost(ctx context.Context, engine wazero.Runtime) error {
	if err := wasi.Instantiate(ctx, engine, func(ctx context.Context) *wasi.System { return slotOf(ctx).system }); err != nil {
		return err
	}
	i32 := api.ValueTypeI32
	_, err := engine.NewHostModuleBuilder(pyguest.ImportModule).
		NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(ctx context.Context, p []uint64) {
			n := slotOf(ctx).transfer(int32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3]), uint32(p[4]))
			p[0] = api.EncodeI32(n)
		}), []api.ValueType{i32, i32, i32, i32, i32}, []api.ValueType{i32}).
		Export("call").
		NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(ctx context.Context, _ []uint64) { slotOf(ctx).Checkpoint() }), nil, nil).
		Export("yield").
		NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(ctx context.Context, p []uint64) {
			p[0] = api.EncodeI32(slotOf(ctx).hashBlocks(int32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3])))
		}), []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}).
		Export("hash").
		Instantiate(ctx)
	return err
}

// instantiate creates a slot over a memory into which no image has been loaded yet.
func (g *guest) instantiate(ctx context.Context, m guestMemory, p *processors, a *accounts) (*slot, error) {
	s := &slot{guest: g, processors: p, accounts: a, memory: m, logs: &runtime.LogBuffer{}}
	s.host = hostContext{noCall, s}
	var err error
	s.system, err = wasi.New(wasi.Config{
		Tree: g.tree, Clock: g.clock, Random: g.random, Control: s,
		Args: []string{"python3"},
		Env:  []string{"HOME=/tmp", "LANG=C.UTF-8", "TMPDIR=/tmp", "USER=root"},
	})
	if err != nil {
		return nil, err
	}
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(uint64, uint64) experimental.LinearMemory { return m }))
	s.instance, err = g.engine.InstantiateModule(ctx, g.module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("instantiating the guest: %w", err)
	}
	s.stack, _ = s.instance.ExportedGlobal(exportStack).(api.MutableGlobal)
	s.ticks, _ = s.instance.ExportedGlobal(exportTicks).(api.MutableGlobal)
	if s.stack == nil || s.ticks == nil {
		s.instance.Close(ctx)
		return nil, fmt.Errorf("the guest does not export %s and %s", exportStack, exportTicks)
	}
	s.initialTicks = s.ticks.Get()
	s.bind()
	return s, nil
}

// sizeClass is the unit in which slots reserve addresses, in bytes. It is large, so that nearly all
// functions can use the same idle slots. A reservation takes addresses only, but a kernel that is
// configured not to overcommit memory counts it in full.
const sizeClass = runtime.GiB

// classOf returns the bytes of addresses that a slot reserves for a memory of n bytes at most.
func classOf(n int64) int { return int((n + sizeClass - 1) / sizeClass * sizeClass) }

// newSlot creates a slot for running images, in a memory that can grow to max bytes.
func (g *guest) newSlot(ctx context.Context, p *processors, a *accounts, max int) (s *slot, err error) {
	var m guestMemory
	if g.mapped {
		mapped, err := newMappedMemory(g.base, max)
		if err != nil {
			return nil, err
		}
		m = mapped
	} else {
		m = newCopiedMemory(g.base.size, max)
	}
	defer func() {
		if s == nil { // an error, or a panic
			m.close()
		}
	}()
	if s, err = g.instantiate(ctx, m, p, a); err != nil {
		return nil, err
	}
	s.reserved = max
	return s, nil
}

func (g *guest) close(ctx context.Context) error {
	var err error
	if g.engine != nil {
		err = g.engine.Close(ctx)
	}
	if g.bare != nil {
		g.bare.release()
	}
	if g.base != nil {
		g.base.closeMapping()
	}
	g.timers.close()
	g.deltas.close()
	return err
}
