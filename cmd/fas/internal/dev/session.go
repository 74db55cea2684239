package dev

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/pack"
	"github.com/faaspot/faaspot/cmd/fas/internal/project"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// Options of [Run]. Project, Client, Pack and Show must be set.
type Options struct {
	Project project.Options
	Args    json.RawMessage // of the first call; nil: {}
	Once    bool            // deploy, run once, and return
	// Suffix ends the names of the functions on the server, which Run then deletes at the end. Jobs are not
	// applied then: they would start by themselves. Empty: the server serves this project alone.
	Suffix string
	Client *client.Client
	// Pack packs the folder of a function. The caller closes the bundle.
	Pack func(ctx context.Context, dir string) (*pack.Bundle, error)
	// Edit lets the user edit a text, and returns the new one.
	Edit func(ctx context.Context, text []byte) ([]byte, error)
	// Target returns a client of the server of the user's profile, which the caller closes.
	Target func() (*client.Client, error)
	Open   func(url string) error // opens an address in a browser
	Clear  func()                 // clears the terminal; nil: there is none
	// KeepScreen says that the terminal is cleared by a key only, not before a change is deployed.
	KeepScreen bool
	Keys       <-chan byte // that the user presses; nil: there are none
	// Requests are those of other clients; nil: none are shown.
	Requests <-chan Request
	// Callbacks are those that the server has to send; nil: none are shown.
	Callbacks <-chan Callback
	Show      Show
}

// Request is a request of another client that was answered.
type Request struct {
	Method, Path string
	Status       int
	Duration     time.Duration
}

// Callback is a callback that the server has sent, or has not.
type Callback struct {
	URL    string
	Body   []byte
	Sent   bool  // it has gone to this machine; else it was kept back
	Status int   // of the answer; 0: none
	Err    error // why it could not be sent; nil: it was
}

// session is the state of Run. Only the goroutine of Run uses it.
type session struct {
	Options
	served  map[string]*served    // by name
	jobs    map[string]*servedJob // by name
	current string                // function that is run again; empty: none was chosen
	args    json.RawMessage
	hideLog bool
	asked   bool      // whether the last key has asked for a confirmation
	choice  []trigger // that the next key chooses one of
	own     ownRuns
	fired   chan fired
}

// served is a function of the project.
type served struct {
	project.Function
	print    [sha256.Size]byte // of what was deployed last, whether or not that succeeded
	deployed bool              // some version of it is on the server
	result   []byte            // of the latest run that succeeded, indented; nil: none has
}

// Run deploys the functions of a project and applies its jobs, runs one of the functions, and repeats this when
// files change, until ctx ends or the user quits. With Once it returns after the first time: the error is that
// of the deployment or the run that failed, as [Shown].
func Run(ctx context.Context, o Options) error {
	s := &session{
		Options: o, served: make(map[string]*served), jobs: make(map[string]*servedJob), args: o.Args, fired: make(chan fired, 1),
	}
	if len(s.args) == 0 {
		s.args = json.RawMessage(runtime.EmptyObject)
	}
	p, err := project.Scan(s.Project)
	if err != nil {
		return err
	}
	if len(p.Functions) == 0 {
		return clierror.Usagef("write a file with def main(args, context), such as hello.py", "the folder %s has no function", s.Project.Path)
	}
	if len(p.Functions) == 1 {
		s.current = p.Functions[0].Name
	}
	var changes <-chan time.Time
	var others <-chan Execution
	if !s.Once { // before the files are read, so that no change is missed
		changes = watch(ctx, p.Root, !p.Single)
		others = s.followOthers(ctx)
	}
	defer s.clean(ctx)
	s.note(p)
	err = s.update(ctx, p, time.Now())
	if s.Once || ctx.Err() != nil {
		return err
	}
	return s.attend(ctx, changes, others)
}

// note shows what of a project is not plain from its files.
func (s *session) note(p project.Project) {
	if p.EnvFile != "" && !s.Once {
		s.Show.Note("the context of each function has the values of " + p.EnvFile)
	}
	if s.Suffix != "" && len(p.Jobs) > 0 {
		s.Show.Note("jobs are not applied to the server of a profile")
	}
}

// cleanTime is the longest time for deleting what was deployed for this session only.
const cleanTime = 10 * time.Second

// clean deletes the functions of the session, if they have names of their own.
func (s *session) clean(ctx context.Context) {
	if s.Suffix == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	for _, f := range s.served {
		s.remove(ctx, f)
	}
}

// Shown is an error that [Show] has shown.
type Shown struct{ error }

// Unwrap returns the error.
func (s Shown) Unwrap() error { return s.error }

// attend handles what happens until ctx ends or the user quits.
func (s *session) attend(ctx context.Context, changes <-chan time.Time, others <-chan Execution) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case at := <-changes:
			p, err := project.Scan(s.Project)
			if err != nil {
				s.Show.Failed("", err)
				continue
			}
			_ = s.update(ctx, p, at) // it was shown
		case r := <-s.Requests:
			s.Show.Request(r)
		case x := <-others:
			s.showOther(x)
		case c := <-s.Callbacks:
			s.Show.Called(c)
		case f := <-s.fired:
			s.showFired(f)
		case key := <-s.Keys:
			if !s.press(ctx, key) {
				return nil
			}
		}
	}
}

// update deploys the functions and jobs of a project that have changed since at, and runs the current function
// again if it is one of them. It returns the first error, which was shown.
func (s *session) update(ctx context.Context, p project.Project, at time.Time) (first error) {
	failed := func(err error) {
		if err != nil && first == nil {
			first = Shown{err}
		}
	}
	changed, cleared := false, s.Clear == nil || s.KeepScreen || len(s.served) == 0
	for _, f := range p.Functions {
		print, err := f.Fingerprint()
		now := s.served[f.Name]
		if err == nil && now != nil && now.print == print {
			continue
		}
		if !cleared {
			s.Clear()
			cleared = true
		}
		if err == nil {
			err = s.refresh(ctx, f, print)
			changed = changed || err == nil && f.Name == s.current
		}
		if err != nil && ctx.Err() == nil {
			s.Show.Failed(f.Name, err)
			failed(err)
		}
	}
	failed(s.updateJobs(ctx, p)) // of functions that exist now
	for name, f := range s.served {
		if !slices.ContainsFunc(p.Functions, func(other project.Function) bool { return other.Name == name }) {
			s.remove(ctx, f)
		}
	}
	if changed {
		failed(s.run(ctx, at))
	}
	return first
}

// refresh deploys a function that has changed, and has a fingerprint now.
func (s *session) refresh(ctx context.Context, f project.Function, print [sha256.Size]byte) error {
	now := s.served[f.Name]
	if now == nil {
		now = &served{}
		s.served[f.Name] = now
	}
	now.Function, now.print = f, print
	began := time.Now()
	id, err := s.deploy(ctx, s.Client, f, f.Name+s.Suffix)
	if err != nil {
		return err
	}
	now.deployed = true
	version := uint64(0)
	if x, err := s.Client.Execution(ctx, id); err == nil {
		version = x.Version
	}
	s.Show.Deployed(f.Name, version, time.Since(began))
	return nil
}

// deploy sends a function to a server, under a name, with all of its settings: what the files do not name any more gets
// its default. The server of the session loses a context that the project does not have; that of a profile keeps it.
func (s *session) deploy(ctx context.Context, c *client.Client, f project.Function, name string) (executionID string, err error) {
	code, contextText, err := f.Texts()
	if err != nil {
		return "", err
	}
	set := withDefaults(f.Settings)
	given := &contextText
	if !f.HasContext() && c != s.Client {
		given = nil
	}
	if !f.Folder {
		return c.Put(ctx, client.CreateRequest{
			Name: name, Code: code, Context: given, Timeout: set.Timeout, Memory: int64(set.Memory), Retries: set.Retries, Allow: &set.Allow,
		})
	}
	b, err := s.Pack(ctx, f.Path)
	if err != nil {
		return "", err
	}
	defer b.Close()
	id, err := c.PutBundle(ctx, name, client.BundleSettings{
		Timeout: set.Timeout, Memory: int64(set.Memory), Retries: set.Retries, Allow: &set.Allow,
	}, b.File, b.Bytes)
	if err != nil || given == nil {
		return id, err
	}
	if !f.HasContext() { // it may have had one
		if now, err := c.Function(ctx, name); err != nil || len(now.ContextKeys) == 0 {
			return id, err
		}
	}
	return c.Update(ctx, name, client.UpdateRequest{Context: given})
}

// withDefaults returns settings with the defaults of those that are not given.
func withDefaults(s jobfile.Settings) jobfile.Settings {
	s.Timeout = cmp.Or(s.Timeout, runtime.DefaultTimeout.Seconds())
	s.Memory = cmp.Or(s.Memory, runtime.DefaultMemory/runtime.MiB)
	if s.Retries == nil {
		s.Retries = new(int)
	}
	if s.Allow == nil {
		s.Allow = []string{}
	}
	return s
}

// remove deletes a function whose file is gone.
func (s *session) remove(ctx context.Context, f *served) {
	delete(s.served, f.Name)
	if s.current == f.Name {
		s.current = ""
	}
	if !f.deployed {
		return
	}
	if _, err := s.Client.Delete(ctx, f.Name+s.Suffix); err != nil {
		s.Show.Failed(f.Name, err)
		return
	}
	s.Show.Removed(f.Name)
}

// run runs the current function, and shows its outcome; since is when the change was made that it follows.
// The error of the run was shown.
func (s *session) run(ctx context.Context, since time.Time) error {
	f := s.served[s.current]
	if f == nil || !f.deployed {
		return nil
	}
	answer, err := s.Client.Run(ctx, f.Name+s.Suffix, s.args)
	took := Outcome{Function: f.Name, Args: s.args, Duration: answer.Duration, Since: time.Since(since), Err: err}
	id := answer.ExecutionID
	if failed, ok := asAnswer(err); ok {
		id = failed.ExecutionID
	}
	s.own.add(id)
	if id != "" && !s.hideLog {
		if logs, err := s.Client.Logs(ctx, id, client.LogOptions{}); err == nil {
			took.Log = logs.Entries
		}
	}
	if err == nil {
		took.Result = answer.Result
		indented, indentErr := ui.IndentJSON(answer.Result, "")
		if indentErr == nil {
			took.Before, took.Now = f.result, indented
			f.result = bytes.Clone(indented)
		}
	}
	if ctx.Err() == nil {
		s.Show.Ran(took)
	}
	return err
}
