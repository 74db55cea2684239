package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// lateTick is by how much a tick may be late and still start its execution. One
	// that nobody was there for longer is missed.
	lateTick = time.Minute
	// longestNap is for how long the scheduler sleeps at most: a clock may be put
	// forward meanwhile.
	longestNap = 20 * time.Second
	// longestTickDelay is the longest time before a start that the platform has failed
	// is tried again. From firstDelay on it doubles with each.
	longestTickDelay = time.Minute
)

// scheduler starts executions of jobs at the ticks of their schedules.
//
// Which tick has started its execution last is known to the store alone, and kept
// with that execution: whatever happens to a process, and however often a tick is
// tried, it starts one. So the scheduler may forget everything, and does when the
// process ends.
type scheduler struct {
	now   func() time.Time
	start func(ctx context.Context, j *runtime.Job, t *runtime.Trigger, tick time.Time) error
	tick  func(tenant runtime.Tenant, job, trigger string) (time.Time, error)
	log   *slog.Logger

	mu      sync.Mutex
	jobs    map[jobKey]*scheduledJob
	changed chan struct{} // has an element if the scheduler is to look
}

type jobKey struct {
	tenant runtime.Tenant
	id     string
}

type scheduledJob struct {
	job      runtime.Job
	triggers []*scheduledTrigger
}

// scheduledTrigger is a trigger that waits for its next tick.
type scheduledTrigger struct {
	*runtime.Trigger
	schedule *runtime.Schedule
	since    time.Time // all ticks until then are settled; zero: it is not known yet
	next     time.Time // the tick after since, zero if it is not known yet
	never    bool      // there is none
	failures int       // of the start of the next
	retry    time.Time // when it is tried again, zero if it has not failed
}

func newScheduler(now func() time.Time, log *slog.Logger) *scheduler {
	return &scheduler{now: now, log: log, jobs: make(map[jobKey]*scheduledJob), changed: make(chan struct{}, 1)}
}

// set makes the schedules of a job those that it has now.
func (s *scheduler) set(j runtime.Job) {
	scheduled := &scheduledJob{job: j}
	for i := range j.Spec.Triggers {
		t := &j.Spec.Triggers[i]
		if t.Type != runtime.TriggerCron || t.Disabled || j.Spec.Disabled {
			continue
		}
		schedule, err := runtime.ParseSchedule(t.Schedule, t.TimeZone)
		if err != nil { // it was checked; a release of before may have known more
			s.log.Error("engine: a schedule cannot be kept", "job", j.ID, "trigger", t.ID, "error", err)
			continue
		}
		scheduled.triggers = append(scheduled.triggers, &scheduledTrigger{Trigger: t, schedule: schedule})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, jobKey{j.Tenant, j.ID})
	if len(scheduled.triggers) > 0 {
		s.jobs[jobKey{j.Tenant, j.ID}] = scheduled
	}
	wake(s.changed)
}

// drop forgets the schedules of a job.
func (s *scheduler) drop(j runtime.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, jobKey{j.Tenant, j.ID})
}

// current tells whether a job is one whose schedules are kept as they are now.
func (s *scheduler) current(j *runtime.Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.jobs[jobKey{j.Tenant, j.ID}]
	return known != nil && &known.job == j
}

// run starts executions until stop is closed.
func (s *scheduler) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.changed:
		case <-ctx.Done():
			return
		}
		timer.Reset(s.startDue(ctx))
	}
}

// startDue starts what is due, and tells how long nothing else will be.
func (s *scheduler) startDue(ctx context.Context) time.Duration {
	s.mu.Lock()
	all := make([]*scheduledJob, 0, len(s.jobs))
	for _, j := range s.jobs {
		all = append(all, j)
	}
	s.mu.Unlock()
	nap := longestNap
	for _, j := range all {
		for _, t := range j.triggers {
			if ctx.Err() != nil {
				return nap
			}
			if at := s.startTrigger(ctx, &j.job, t); !at.IsZero() {
				nap = min(nap, max(at.Sub(s.now()), 0))
			}
		}
	}
	return nap
}

// startTrigger starts what is due of a trigger, and gives when it is to be looked
// at again; zero: never.
func (s *scheduler) startTrigger(ctx context.Context, j *runtime.Job, t *scheduledTrigger) time.Time {
	now := s.now()
	if !t.retry.IsZero() && now.Before(t.retry) && t.retry.Sub(now) <= longestTickDelay {
		return t.retry
	}
	if t.since.IsZero() {
		last, err := s.tick(j.Tenant, j.ID, t.ID)
		if err != nil {
			return s.failed(j, t, err)
		}
		// A schedule has no ticks before it was made.
		t.since = laterOf(last, j.Updated)
	}
	for {
		tick := t.upcoming()
		if t.never || tick.After(now) {
			return tick
		}
		if now.Sub(tick) > lateTick {
			t.next, t.since = time.Time{}, t.schedule.Last(t.since, now.Add(-lateTick))
			s.log.Warn("engine: ticks of a schedule were missed", "job", j.ID, "trigger", t.ID, "last", t.since, "policy", t.Missed)
			if t.Missed != runtime.MissedCatchUp {
				continue
			}
			tick = t.since
			t.since = tick.Add(-1)
		}
		err := s.start(ctx, j, t.Trigger, tick)
		switch runtime.CodeOf(err) {
		case "":
		case runtime.CodeUnavailable, runtime.CodeTooBusy, runtime.CodeInternal:
			if !errors.Is(err, runtime.ErrTick) {
				return s.failed(j, t, err)
			}
		default: // its function is gone, for one: the next tick may find it again
			s.log.Warn("engine: a tick of a schedule cannot start its job", "job", j.ID, "trigger", t.ID, "tick", tick, "error", err)
		}
		t.since, t.next, t.failures, t.retry = tick, time.Time{}, 0, time.Time{}
	}
}

// upcoming is the first tick that is not settled.
func (t *scheduledTrigger) upcoming() time.Time {
	if t.next.IsZero() && !t.never {
		t.next = t.schedule.Next(t.since)
		t.never = t.next.IsZero()
	}
	return t.next
}

// failed notes that the platform could not do its part, and gives when it is
// tried again.
func (s *scheduler) failed(j *runtime.Job, t *scheduledTrigger, err error) time.Time {
	t.failures++
	t.retry = s.now().Add(doubled(t.failures, longestTickDelay))
	s.log.Error("engine: a job cannot be started by its schedule yet", "job", j.ID, "trigger", t.ID, "failures", t.failures, "error", err)
	return t.retry
}

// laterOf returns the later of two times.
func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
