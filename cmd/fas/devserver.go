package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/dev"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

const (
	// devFolder is the folder of the project with the data of the server of `fas dev`.
	devFolder = ".fas"
	// devProfile is the name of the profile of that server, in a file in its folder.
	devProfile = "dev"
	// devGrace is the time that started runs get to finish when the command ends.
	devGrace = time.Second
)

// devServer is the server of a project.
type devServer struct {
	client *client.Client
	suffix string // of the names of functions; empty: the server is in this process
	remove func() // removes its data, if they are for this time only

	// Of a server in this process:
	requests  chan dev.Request
	callbacks chan dev.Callback
	ended     chan error // receives the end of the server
	cancel    context.CancelFunc
	done      chan struct{}
}

// start starts the server of a project with a data folder.
func (f *devFlags) start(ctx context.Context, a *app, data string) (*devServer, error) {
	cache, err := dataFolder(a, "")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, clierror.Usagef("choose another folder, or --fresh", "cannot create the folder of the data: %v", err)
	}
	// What is in the folder is nobody's source.
	if err := os.WriteFile(filepath.Join(data, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return nil, err
	}
	token, trace := randomText(), make([]byte, 16)
	rand.Read(trace)
	env := maps.Clone(a.env)
	env[environ.AdminTokenVar] = token
	s := &devServer{requests: make(chan dev.Request, 100), callbacks: make(chan dev.Callback, 100), ended: make(chan error, 1), done: make(chan struct{})}
	ready := make(chan string, 1)
	o := f.options(a, data, filepath.Join(cache, "cache"))
	o.Environ, o.Ready = env, func(url string) { ready <- url }
	o.Poster = func(p runtime.Poster) runtime.Poster { return devPoster{p, s.callbacks} }
	o.Requests = slog.New(&requestHandler{own: hex.EncodeToString(trace), to: s.requests})
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	go func() {
		defer close(s.done)
		s.ended <- server.Run(running, o)
	}()
	select {
	case address := <-ready:
		if err = writeDevProfile(filepath.Join(data, "fasconf.yaml"), address, token); err == nil {
			s.client, err = client.New(client.Options{
				URL: address, Token: token, UserAgent: "fas-dev/" + version(), Trace: a.trace(),
				Traceparent: "00-" + hex.EncodeToString(trace) + "-0000000000000001-01",
			})
		}
	case err = <-s.ended:
		if err == nil {
			err = errors.New("the server has ended")
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// options returns the options of the server of a project: those of `fas serve`, but for what is named
// in the help of `fas dev`.
func (f *devFlags) options(a *app, data, cache string) server.Options {
	level := slog.LevelError
	if a.Verbosity > 0 {
		level = slog.LevelInfo
	}
	return server.Options{
		Listen: "127.0.0.1:" + strconv.Itoa(f.port), NoSchedules: !f.cron, Data: data, Cache: cache, Grace: devGrace,
		RetentionAge: ui.Span(engine.DefaultRetentionAge), RetentionMinAge: ui.Span(engine.DefaultRetentionMinAge), RetentionCount: engine.DefaultRetentionCount,
		ImageDisk: server.DefaultImageDisk, Ballast: 0, AuditAge: ui.Span(runtime.DefaultAuditAge), EgressAllow: []string{"127.0.0.1"},
		LogLevel: server.LogLevel(level), LogFormat: server.FormatAuto, Unconfined: true,
		Terminal: &a.Terminal, Version: version(), Trace: a.trace(),
	}
}

// stop stops the server and waits for its end.
func (s *devServer) stop() {
	if s.client != nil {
		s.client.Close()
	}
	if s.cancel != nil {
		s.cancel()
		<-s.done
	}
	if s.remove != nil {
		s.remove()
	}
}

// randomText returns a token.
func randomText() string {
	random := make([]byte, 32)
	rand.Read(random)
	return base64.RawURLEncoding.EncodeToString(random)
}

// writeDevProfile writes the profile of the server of a project.
func writeDevProfile(path, address, token string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return err
	}
	return config.Update(path, func(f *config.File) error {
		if err := f.SetProfile(devProfile, config.Profile{Host: u.Hostname(), Port: port, Protocol: u.Scheme, Token: token}); err != nil {
			return err
		}
		return f.SetActive(devProfile)
	})
}

// requestHandler passes requests of other clients on. It implements [slog.Handler] for the access log.
type requestHandler struct {
	own string // trace of the requests of this command
	to  chan<- dev.Request
}

// Enabled implements [slog.Handler].
func (h *requestHandler) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements [slog.Handler].
func (h *requestHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements [slog.Handler].
func (h *requestHandler) WithGroup(string) slog.Handler { return h }

// Handle implements [slog.Handler]. A request that nobody waits for is not shown.
func (h *requestHandler) Handle(_ context.Context, record slog.Record) error {
	var r dev.Request
	trace := ""
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "method":
			r.Method = a.Value.String()
		case "path":
			r.Path = a.Value.String()
		case "status":
			r.Status = int(a.Value.Int64())
		case "duration_ms":
			r.Duration = time.Duration(a.Value.Float64() * float64(time.Millisecond))
		case "trace":
			trace = a.Value.String()
		}
		return true
	})
	if trace == h.own {
		return nil
	}
	select {
	case h.to <- r:
	default:
	}
	return nil
}

// devPoster passes on what the server posts, which is callbacks. Those to other machines are not sent, so that
// a session does not reach what production reaches. It implements [runtime.Poster].
type devPoster struct {
	runtime.Poster
	to chan<- dev.Callback
}

// Post implements [runtime.Poster]. A callback that nobody waits for is not shown.
func (p devPoster) Post(ctx context.Context, post runtime.Post) (status int, err error) {
	c := dev.Callback{URL: post.URL, Body: post.Body, Sent: toThisMachine(post.URL)}
	if status = http.StatusOK; c.Sent {
		status, err = p.Poster.Post(ctx, post)
		c.Status, c.Err = status, err
	}
	select {
	case p.to <- c:
	default:
	}
	return status, err
}

// toThisMachine reports whether a URL has a loopback address.
func toThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
