package cron

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/backoff"
	"github.com/faaspot/faaspot/runtime/internal/notify"
)

const (
	// lateTick is how late a tick may start its execution. A tick that no process served
	// for longer counts as missed.
	lateTick = time.Minute
	// longestSleep bounds the time between two readings of the clock, which may be set forward in
	// the meantime.
	longestSleep = 20 * time.Second
	// longestDelay bounds the delay before the retry of a start that failed in the platform. It is a small part of the
	// minute for which a tick can be started.
	longestDelay = 8 * time.Second
)

// Options of a Scheduler. All must be set.
type Options struct {
	// Start starts the execution of a tick. It must refuse a tick of a job that
	// [Scheduler.Current] does not report, and return [runtime.ErrTick] for a tick that has
	// started its execution already.
	Start func(ctx context.Context, j *runtime.Job, t *runtime.Trigger, tick time.Time) error
	// LastTick returns the last tick of a trigger that has started an execution, zero if
	// none has.
	LastTick func(tenant runtime.Tenant, job, trigger string) (time.Time, error)
	Now      func() time.Time
	Log      *slog.Logger
}

// Scheduler starts executions of jobs at the ticks of their schedules. All methods may be
// called concurrently.
type Scheduler struct {
	o       Options
	changed notify.Signal

	mu      sync.Mutex
	jobs    map[jobKey]*scheduledJob
	changes []*scheduledJob // set since the goroutine last looked

	ctx   context.Context // the lifetime of the goroutine: Stop ends it
	stop  context.CancelFunc
	group sync.WaitGroup
}

type jobKey struct {
	tenant runtime.Tenant
	id     string
}

type scheduledJob struct {
	job      runtime.Job
	triggers []*scheduledTrigger
}

// scheduledTrigger is a trigger that waits for its next tick. Only the Scheduler's goroutine
// uses it.
type scheduledTrigger struct {
	*runtime.Trigger
	schedule *runtime.Schedule
	since    time.Time // every tick up to it is settled; zero: not known yet
	next     time.Time // the first tick after since; zero: not known yet
	never    bool      // there is no tick after since
	failures int       // failed starts of the next tick
	retry    time.Time // when the next tick is tried again; zero if it has not failed
}

// New returns a Scheduler without schedules.
func New(o Options) *Scheduler {
	s := &Scheduler{o: o, jobs: make(map[jobKey]*scheduledJob), changed: notify.NewSignal()}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Start begins to start executions.
func (s *Scheduler) Start() { s.group.Go(func() { s.run(s.ctx) }) }

// Stop starts no further execution.
func (s *Scheduler) Stop() { s.stop() }

// Wait waits until the Scheduler has ended. It is called after Stop.
func (s *Scheduler) Wait() { s.group.Wait() }

// Set replaces the schedules of a job by those of j, which must not change any more.
func (s *Scheduler) Set(j runtime.Job) {
	scheduled := &scheduledJob{job: j}
	for i := range j.Spec.Triggers {
		t := &j.Spec.Triggers[i]
		if t.Type != runtime.TriggerCron || t.Disabled || j.Spec.Disabled {
			continue
		}
		schedule, err := runtime.ParseSchedule(t.Schedule, t.TimeZone)
		if err != nil { // it was valid once; an earlier release may have accepted more
			s.o.Log.Error("engine: a stored schedule is not valid", "job", j.ID, "trigger", t.ID, "error", err)
			continue
		}
		scheduled.triggers = append(scheduled.triggers, &scheduledTrigger{Trigger: t, schedule: schedule})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, jobKey{j.Tenant, j.ID})
	if len(scheduled.triggers) > 0 {
		s.jobs[jobKey{j.Tenant, j.ID}] = scheduled
		s.changes = append(s.changes, scheduled)
		s.changed.Set()
	}
}

// Drop forgets the schedules of a job.
func (s *Scheduler) Drop(j runtime.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, jobKey{j.Tenant, j.ID})
}

// Current reports whether j, as it was given to Options.Start, is still scheduled as it was.
func (s *Scheduler) Current(j *runtime.Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.jobs[jobKey{j.Tenant, j.ID}]
	return known != nil && &known.job == j
}

// run starts executions until ctx ends. A change of one job costs no look at the others.
func (s *Scheduler) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // when all jobs must be looked at
	for {
		select {
		case <-timer.C:
			next = time.Now().Add(s.startDue(ctx, s.all()))
		case <-s.changed:
			if at := time.Now().Add(s.startDue(ctx, s.changedJobs())); at.Before(next) {
				next = at
			}
		case <-ctx.Done():
			return
		}
		timer.Reset(time.Until(next))
	}
}

// all returns all jobs.
func (s *Scheduler) all() []*scheduledJob {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = nil
	return slices.Collect(maps.Values(s.jobs))
}

// changedJobs returns the jobs that were set since the last call of it or of all.
func (s *Scheduler) changedJobs() []*scheduledJob {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes := slices.DeleteFunc(s.changes, func(j *scheduledJob) bool { return s.jobs[jobKey{j.job.Tenant, j.job.ID}] != j })
	s.changes = nil
	return changes
}

// startDue starts what is due of some jobs, and returns the time until they must be looked at again.
func (s *Scheduler) startDue(ctx context.Context, jobs []*scheduledJob) time.Duration {
	sleep := longestSleep
	for _, j := range jobs {
		for _, t := range j.triggers {
			if ctx.Err() != nil {
				return sleep
			}
			if at := s.startTrigger(ctx, &j.job, t); !at.IsZero() {
				sleep = min(sleep, max(at.Sub(s.o.Now()), 0))
			}
		}
	}
	return sleep
}

// startTrigger starts the due ticks of a trigger, and returns the time at which it must be
// called again; zero: never.
func (s *Scheduler) startTrigger(ctx context.Context, j *runtime.Job, t *scheduledTrigger) time.Time {
	now := s.o.Now()
	if !t.retry.IsZero() && now.Before(t.retry) && t.retry.Sub(now) <= longestDelay {
		return t.retry
	}
	if t.since.IsZero() {
		last, err := s.o.LastTick(j.Tenant, j.ID, t.ID)
		if err != nil {
			return s.failed(j, t, err)
		}
		// A schedule has no ticks before the job was updated.
		t.since = later(last, j.Updated)
	}
	for {
		tick := t.upcoming()
		if t.never || tick.After(now) {
			return tick
		}
		if now.Sub(tick) > lateTick {
			t.next, t.since = time.Time{}, t.schedule.Last(t.since, now.Add(-lateTick))
			s.o.Log.Warn("engine: ticks of a schedule were missed", "job", j.ID, "trigger", t.ID, "last", t.since, "policy", t.Missed)
			if t.Missed != runtime.MissedCatchUp {
				continue
			}
			tick = t.since
			t.since = tick.Add(-1)
		}
		err := s.o.Start(ctx, j, t.Trigger, tick)
		switch runtime.CodeOf(err) {
		case "":
		case runtime.CodeUnavailable, runtime.CodeTooBusy, runtime.CodeInternal:
			if !errors.Is(err, runtime.ErrTick) {
				return s.failed(j, t, err)
			}
		default: // its function is gone, for one: the next tick may find it again
			s.o.Log.Warn("engine: a tick of a schedule cannot start its job", "job", j.ID, "trigger", t.ID, "tick", tick, "error", err)
		}
		t.since, t.next, t.failures, t.retry = tick, time.Time{}, 0, time.Time{}
	}
}

// upcoming returns the first tick that is not settled.
func (t *scheduledTrigger) upcoming() time.Time {
	if t.next.IsZero() && !t.never {
		t.next = t.schedule.Next(t.since)
		t.never = t.next.IsZero()
	}
	return t.next
}

// failed notes that the platform could not start a tick, and returns when it is tried again.
func (s *Scheduler) failed(j *runtime.Job, t *scheduledTrigger, err error) time.Time {
	t.failures++
	t.retry = s.o.Now().Add(backoff.Delay(t.failures, longestDelay))
	s.o.Log.Error("engine: a job cannot be started by its schedule yet", "job", j.ID, "trigger", t.ID, "failures", t.failures, "error", err)
	return t.retry
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
