package engine

import (
	"maps"
	goruntime "runtime"
	"slices"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/redact"
)

// newVersion returns a version that is ready to run. The log does not show its context as long as the
// version is in memory.
func (e *Engine) newVersion(f runtime.Function, v runtime.Version) *dispatch.Version {
	version := newVersion(f, v)
	version.DropArgs = !e.keepsArgs(&v)
	if e.secrets != nil {
		hide(e.secrets, version, redact.Texts(version.Context))
	}
	return version
}

// hideGroup keeps the environment of tasks, and the secret of their callback, out of the log as long as
// the group is in memory.
func (e *Engine) hideGroup(g *dispatch.TaskGroup, x *runtime.JobExecution) {
	hide(e.secrets, g, executionSecrets(x.Env, x.Callback))
}

// hide makes a registry know secrets until their owner is not in use any more.
func hide[T any](r *redact.Registry, owner *T, secrets []string) {
	if r == nil || len(secrets) == 0 {
		return
	}
	goruntime.AddCleanup(owner, func(release func()) { release() }, r.Hold(secrets...))
}

// executionSecrets returns what is secret in an execution of a job. Which values of its environment are
// secret is not known any more, so all count.
func executionSecrets(env map[string]string, c *runtime.Callback) []string {
	all := slices.Collect(maps.Values(env))
	if c != nil {
		all = append(all, c.Secret)
	}
	return all
}

// specSecrets returns what is secret in a job.
func specSecrets(s *runtime.JobSpec) (all []string) {
	for _, v := range s.Env {
		if v.Secret {
			all = append(all, v.Value)
		}
	}
	for i := range s.Triggers {
		all = append(all, s.Triggers[i].CallbackSecret)
	}
	return all
}
