package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/confine"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/runtime/redact"
	logengine "github.com/faaspot/faaspot/storage/replog/nats/engine"
)

const (
	// DefaultEngineListen is the address at which an engine listens for nodes without --listen.
	DefaultEngineListen = "127.0.0.1:4222"
	// DefaultEngineGrace is the time that nodes get to move to another server when one stops.
	DefaultEngineGrace = 10 * time.Second
	// healthTime bounds the time of a health check, in both directions.
	healthTime = 5 * time.Second
	// healthHeader bounds the size of the header of a health check, in bytes.
	healthHeader = 8 << 10
)

// EngineOptions configure a server of the log of a cluster. Flags of `fas engine` set them.
type EngineOptions struct {
	Name         string
	Peers        []string // NAME=HOST:PORT of all servers
	Listen       string
	PeerListen   string // empty: the own address in Peers
	HealthListen string // empty: none
	Data         string // absolute path
	MaxStore     ui.ByteSize
	KeyFile      string // empty: none
	Grace        time.Duration
	LogLevel     LogLevel
	LogFormat    LogFormat
	AddressFile  string // file to write the address to once the server is ready; empty: none
	Unconfined   bool   // keep all rights of the process, for debugging

	Terminal *ui.Terminal
	Environ  environ.Environment
	Version  string
}

// options returns the options for the engine, or what is wrong with them.
func (o EngineOptions) options() (e logengine.Options, err error) {
	var errs runtime.Errors
	e = logengine.Options{
		Name: o.Name, Listen: o.Listen, PeerListen: o.PeerListen, Dir: o.Data, MaxStore: int64(o.MaxStore), Grace: o.Grace,
	}
	for _, text := range o.Peers {
		name, address, ok := strings.Cut(text, "=")
		if !ok {
			errs.Add("peers", clierror.Usagef("give each server as NAME=HOST:PORT, separated by commas", "%q in --peers is not one", text))
		}
		e.Peers = append(e.Peers, logengine.Peer{Name: name, Address: address})
	}
	if o.KeyFile != "" {
		e.Key, err = key.Read(o.KeyFile)
		errs.Add("cluster-key-file", err)
	}
	if o.HealthListen != "" {
		errs.Add("health-listen", checkAddress(o.HealthListen))
	}
	if o.Grace < 0 {
		errs.Add("grace", clierror.Usagef("give a duration, such as 10s", "the --grace %v is negative", o.Grace))
	}
	if err := errs.Err(); err != nil {
		return e, err
	}
	if err := e.Check(); err != nil {
		return e, clierror.Usagef("see `fas engine --help`", "%v", err)
	}
	return e, nil
}

// RunEngine runs a server of a log until ctx ends, which is not an error.
func RunEngine(ctx context.Context, o EngineOptions) error {
	options, err := o.options()
	if err != nil {
		return err
	}
	log := newLog(o.Terminal, slog.Level(o.LogLevel), o.LogFormat, redact.New())
	options.Log = log
	began := time.Now()
	notifier := newNotifier(o.Environ, log)
	defer notifier.close()
	if notifier != nil { // it may reload a unit, and there is nothing to read again
		signal.Ignore(syscall.SIGHUP)
		defer signal.Reset(syscall.SIGHUP)
	}
	if err := os.MkdirAll(o.Data, dataMode); err != nil {
		return clierror.Usagef("choose another folder with --data", "cannot create the data folder: %v", err)
	}
	var health net.Listener
	if o.HealthListen != "" {
		if health, err = listen(o.HealthListen); err != nil {
			return err
		}
		defer func() { _ = health.Close() }()
	}
	log.Info("starting the engine", "name", o.Name, "listen", o.Listen, "peers", strings.Join(o.Peers, ","), "data", o.Data, "version", o.Version)
	rights := confine.Options{Write: []string{o.Data}}
	if o.AddressFile != "" {
		rights.Create = []string{filepath.Dir(o.AddressFile)}
	}
	var walls confine.Report
	if o.Unconfined {
		log.Warn("the engine keeps all rights of its user", "hint", "use --unconfined for debugging only")
	} else {
		walls = confine.Process(rights)
		walls.Log(log)
	}
	engine, err := logengine.Start(options)
	if err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	if o.AddressFile != "" {
		err := errors.Join(writeAddress(o.AddressFile, engine.Address()), walls.Narrow(rights))
		if err != nil {
			engine.Kill()
			return err
		}
	}
	served := make(chan error, 1)
	if health != nil {
		checks := &http.Server{Handler: engineHealth(engine), ReadTimeout: healthTime, WriteTimeout: healthTime, MaxHeaderBytes: healthHeader}
		go func() { served <- checks.Serve(health) }()
		defer func() { _ = checks.Close() }()
	}
	log.Info("ready", "address", engine.Address().String(), "took", time.Since(began).Round(time.Millisecond).String())
	// The others may not run yet, and their service managers may wait for this one: it is ready without them.
	notifier.ready(engine.Address().String())
	select {
	case <-ctx.Done():
		notifier.send("STOPPING=1")
		log.Info("stopping", "grace", o.Grace.String())
		engine.Shutdown()
		log.Info("stopped")
		return nil
	case err = <-engine.Failed():
		err = fmt.Errorf("the engine has failed: %w", err)
	case err = <-served:
		err = fmt.Errorf("the engine stopped answering health checks: %w", err)
	}
	engine.Kill()
	return err
}

// engineHealth answers health checks: /healthz whether the process works, /readyz whether it is one of a
// majority and has what the others have.
func engineHealth(e *logengine.Engine) http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, check func() error) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			text, status := "ok", http.StatusOK
			if err := check(); err != nil {
				text, status = err.Error(), http.StatusServiceUnavailable
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(status)
			_, _ = fmt.Fprintln(w, text)
		})
	}
	answer("/healthz", e.Serves)
	answer("/readyz", e.Current)
	return mux
}
