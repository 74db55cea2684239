package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/confine"
	"github.com/faaspot/faaspot/cmd/fas/internal/spawn"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/worker"
)

// The commands that start the processes of workers. Only servers and spawners call them.
const (
	SpawnerCommand = "spawner"
	WorkerCommand  = "worker"
)

// WorkerOptions are what the processes of workers get from the command line: nothing secret.
type WorkerOptions struct {
	Cache      string // folder of the compiled guest
	Processors int    // guests that compute at once
	Unconfined bool   // keep all rights of the process, for debugging
}

// AddFlags adds the flags that [WorkerOptions.args] writes.
func (o *WorkerOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Cache, "cache", "", "`FOLDER` of the compiled guest")
	f.IntVar(&o.Processors, "processors", 1, "`N` functions may compute at once")
	f.BoolVar(&o.Unconfined, "unconfined", false, "keep all rights of the process, to debug it")
}

func (o WorkerOptions) args(command string) []string {
	return []string{
		command, "--cache", o.Cache, "--processors", strconv.Itoa(o.Processors), "--unconfined=" + strconv.FormatBool(o.Unconfined),
	}
}

// passedOn are the variables of the server that its processes get: none has a secret.
var passedOn = []string{"GOGC", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// startSpawner starts the process that starts workers, if the server has workers.
func (s *server) startSpawner() (err error) {
	if s.Workers == 0 {
		return nil
	}
	o := WorkerOptions{Cache: s.cacheFolder(), Processors: shareProcessors(), Unconfined: s.Unconfined}
	var env []string
	for _, name := range passedOn {
		if value, set := s.Environ[name]; set {
			env = append(env, name+"="+value)
		}
	}
	if s.spawner, err = spawn.Start(spawn.Options{Args: o.args(SpawnerCommand), Env: env, Log: s.log}); err != nil {
		return err
	}
	s.log.Info("runs happen in worker processes", "workers", s.Workers, "spawner", s.spawner.PID())
	return nil
}

// RunSpawner runs the process that starts workers until its server ends.
func RunSpawner(o WorkerOptions, logs io.Writer) error {
	log := spawn.Log(logs)
	conn, err := spawn.Inherited()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Cache, dataMode); err != nil {
		return fmt.Errorf("create the folder of the compiled guest: %w", err)
	}
	return spawn.Serve(conn, spawn.ServeOptions{Args: o.args(WorkerCommand), Env: os.Environ(), Log: log}, func() {
		if !o.Unconfined {
			confine.Spawner(confine.Options{Write: []string{o.Cache}}).Log(log)
		}
	})
}

// RunWorker runs a worker process until its server ends or closes the connection.
func RunWorker(ctx context.Context, o WorkerOptions, logs io.Writer) error {
	log := spawn.Log(logs)
	conn, err := spawn.Inherited()
	if err != nil {
		return err
	}
	// Threads of lanes wait in system calls. While GOMAXPROCS is used up, Go's monitor wakes every 20 µs to take
	// from such threads what they have of it. With as many more as there are processors, it rarely is.
	goruntime.GOMAXPROCS(2*shareProcessors() + 1)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(sandbox.GCPercent)
	}
	return worker.Serve(ctx, conn, worker.ServeOptions{CacheDir: o.Cache, Processors: o.Processors, Log: log, Confine: func() error {
		debug.FreeOSMemory()
		return confineWorker(o, log)
	}})
}

// confineWorker confines a worker process, which has all open that it needs.
func confineWorker(o WorkerOptions, log *slog.Logger) error {
	if memory.Resident() == 0 { // which opens its file
		log.Warn("the worker cannot read its memory use")
	}
	if o.Unconfined {
		return nil
	}
	walls := confine.Worker()
	walls.Log(log)
	return nil
}

// openSandbox opens what runs functions: a sandbox in this process, or workers.
func (s *server) openSandbox(ctx context.Context) (runtime.Sandbox, error) {
	if s.spawner != nil {
		return s.openWorkers()
	}
	o := sandbox.Options{
		CacheDir: s.cacheFolder(), Log: s.log, Processors: shareProcessors(), Memory: s.memory,
		Uses:    func(t runtime.Tenant) *runtime.TenantUse { return s.access.Use(t) }, // it is open before a run begins
		Bundles: s.store, Bytecode: s.store, BundleDir: s.bundleFolder(), DiskFloor: s.diskFloor(),
	}
	o.ImageDir, o.ImageDisk = s.imageFolder()
	box, err := sandbox.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	s.box = box
	s.own.Store(box)
	return box, nil
}

func (s *server) bundleFolder() string { return filepath.Join(s.Data, "bundles") }

// diskFloor returns the free space of the disk, in bytes, below which nothing new is accepted.
func (s *server) diskFloor() int64 { return int64(s.store.Disk().Floor) }

// imageFolder returns the folder of images, empty if there is none, and what they may take.
func (s *server) imageFolder() (folder string, bytes int64) {
	if s.ImageDisk == 0 {
		return "", 0
	}
	return filepath.Join(s.Data, "images"), max(int64(s.ImageDisk), 0)
}

// ownWorkers returns the number of tenants that may have a worker of their own.
func (s *server) ownWorkers() int {
	if s.Workers == 0 {
		return 0
	}
	return s.OwnWorkers
}

// openWorkers starts the workers.
func (s *server) openWorkers() (runtime.Sandbox, error) {
	disk := worker.FileOptions{BundleDir: s.bundleFolder(), DiskFloor: s.diskFloor(), Log: s.log}
	disk.ImageDir, disk.ImageDisk = s.imageFolder()
	files := worker.OpenFiles(disk)
	pool, err := worker.New(worker.Options{
		Workers: s.Workers, MostOwn: s.OwnWorkers, Memory: s.memory, Bundles: s.store, Bytecode: s.store, Files: files, Log: s.log,
		Own: s.access.OwnWorker, Uses: s.access.Use,
		Start: func(ctx context.Context) (worker.Process, error) {
			p, err := s.spawner.Worker(ctx)
			if err != nil {
				return nil, err
			}
			return p, nil
		},
	})
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	s.box = closers{pool, files}
	s.workers.Store(pool)
	return pool, nil
}

// closers closes several, in their order.
type closers []io.Closer

// Close implements [io.Closer].
func (all closers) Close() (err error) {
	for _, c := range all {
		err = errors.Join(err, c.Close())
	}
	return err
}

// workerStatus returns the state of the workers.
func (s *server) workerStatus() (all []runtime.WorkerStatus) {
	pool := s.workers.Load()
	if pool == nil {
		return nil
	}
	for _, w := range pool.Status() {
		all = append(all, runtime.WorkerStatus(w))
	}
	return all
}

// errSpawnerEnded ends a server that can start no worker any more: a process manager starts it again.
var errSpawnerEnded = errors.New("the process that starts workers has ended; no function can run")
