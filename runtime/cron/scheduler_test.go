package cron

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// A tickBook is what a store knows of ticks, whatever happens to processes.
type tickBook struct {
	mu     sync.Mutex
	last   map[string]time.Time
	starts map[string]map[time.Time]time.Time // of triggers: when a tick has started
	rng    *rand.Rand
	fails  int  // in a row
	sound  bool // nothing fails
}

const oneDay = 24 * time.Hour

func newTickBook(seed uint64) *tickBook {
	return &tickBook{last: map[string]time.Time{}, starts: map[string]map[time.Time]time.Time{}, rng: rand.New(rand.NewPCG(seed, 1))}
}

// scheduler is what a process has that begins now.
func (b *tickBook) scheduler(t *testing.T, jobs []runtime.Job) *Scheduler {
	s := New(Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	s.o.LastTick = func(_ runtime.Tenant, _, trigger string) (time.Time, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.failNow() {
			return time.Time{}, runtime.Errorf(runtime.CodeUnavailable, "not now")
		}
		return b.last[trigger], nil
	}
	s.o.Start = func(_ context.Context, j *runtime.Job, trigger *runtime.Trigger, tick time.Time) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !s.Current(j) {
			t.Errorf("%s starts for a job of before", trigger.ID)
		}
		if b.failNow() {
			return runtime.Errorf(runtime.CodeUnavailable, "not now")
		}
		if !tick.After(b.last[trigger.ID]) {
			return runtime.Internal("", runtime.ErrTick)
		}
		b.last[trigger.ID] = tick
		if b.starts[trigger.ID] == nil {
			b.starts[trigger.ID] = map[time.Time]time.Time{}
		}
		b.starts[trigger.ID][tick.UTC()] = time.Now()
		if b.rng.IntN(50) == 0 { // it was started, and the answer is lost
			return runtime.Internal("", fmt.Errorf("lost"))
		}
		return nil
	}
	for _, j := range jobs {
		s.Set(j)
	}
	return s
}

// failNow fails one time in 20, and not often in a row.
func (b *tickBook) failNow() bool {
	if !b.sound && b.fails < 3 && b.rng.IntN(20) == 0 {
		b.fails++
		return true
	}
	b.fails = 0
	return false
}

func cronTriggers(created time.Time) (jobs []runtime.Job, triggers map[string]*runtime.Schedule) {
	triggers = make(map[string]*runtime.Schedule)
	for i, t := range []runtime.Trigger{
		{Schedule: "*/5 * * * *"},
		{Schedule: "0 * * * *", TimeZone: "Europe/Berlin", Missed: runtime.MissedCatchUp},
		{Schedule: "30 2 * * *", TimeZone: "Europe/Berlin"},
		{Schedule: "30 1 * * *", TimeZone: "America/New_York", Missed: runtime.MissedCatchUp},
		{Schedule: "15 */2 * * *", TimeZone: "Australia/Lord_Howe"},
		{Schedule: "@daily", TimeZone: "Asia/Kathmandu", Missed: runtime.MissedCatchUp},
		{Schedule: "@monthly", Missed: runtime.MissedCatchUp},
		{Schedule: "@monthly"},
		{Schedule: "0 9 * * MON-FRI", TimeZone: "America/Sao_Paulo"},
		{Schedule: "0 0 1 1 *", Missed: runtime.MissedCatchUp},
		{Schedule: "45 23 31 * *", TimeZone: "Pacific/Auckland"},
		{Schedule: "59 4,16 13 * FRI", Missed: runtime.MissedCatchUp},
	} {
		t.ID, t.Type = fmt.Sprint("trigger", i), runtime.TriggerCron
		s, err := runtime.ParseSchedule(t.Schedule, t.TimeZone)
		if err != nil {
			panic(err)
		}
		triggers[t.ID] = s
		jobs = append(jobs, runtime.Job{ID: fmt.Sprint("job", i), Name: fmt.Sprint("job", i), Tenant: "t", Created: created, Updated: created, Spec: runtime.JobSpec{Triggers: []runtime.Trigger{t}}})
	}
	return jobs, triggers
}

// A year in which processes start and stop at any moment: no tick starts twice, no tick is skipped
// while a process runs, and ticks missed without a process follow the policy of their schedule.
func TestAYearOfSchedules(t *testing.T) {
	seeds := uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, life := newTickBook(seed), rand.New(rand.NewPCG(seed, 2))
				began := time.Now()
				jobs, triggers := cronTriggers(began)
				type span struct{ from, to time.Time }
				var ups []span
				for time.Since(began) < 366*oneDay {
					s := b.scheduler(t, jobs)
					ctx, stop := context.WithCancel(context.Background())
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						s.run(ctx)
					}()
					from := time.Now()
					time.Sleep(time.Duration(life.Int64N(int64(9 * oneDay))))
					stop()
					<-ended
					ups = append(ups, span{from, time.Now()})
					time.Sleep([]time.Duration{0, time.Second, 50 * time.Second, 3 * time.Minute, 5 * time.Hour, 2 * oneDay}[life.IntN(6)])
				}
				// settled is the longest time for which a failed start is retried.
				const settled = 10 * time.Second
				for i := range jobs {
					trigger := &jobs[i].Spec.Triggers[0]
					starts := b.starts[trigger.ID]
					up := 0
					var missed []time.Time // since the last tick while a process ran
					for tick := triggers[trigger.ID].Next(began); tick.Before(ups[len(ups)-1].to.Add(-settled)); tick = triggers[trigger.ID].Next(tick) {
						for up < len(ups) && ups[up].to.Before(tick.Add(settled)) && up+1 < len(ups) {
							up++
						}
						at, started := starts[tick.UTC()]
						there := !ups[up].from.After(tick)
						late := ups[up].from.Sub(tick) <= lateTick-settled
						delete(starts, tick.UTC())
						switch {
						case there || late:
							if !started {
								t.Fatalf("%+v: the tick %v was left out, up from %v to %v", trigger, tick, ups[up].from, ups[up].to)
							}
							missed = nil
						case started && at.Sub(tick) > lateTick+settled && trigger.Missed != runtime.MissedCatchUp:
							t.Fatalf("%+v: the tick %v was started at %v", trigger, tick, at)
						case started:
							missed = nil
						default:
							missed = append(missed, tick)
						}
						if next := triggers[trigger.ID].Next(tick); len(missed) > 0 && trigger.Missed == runtime.MissedCatchUp && next.After(ups[up].from) &&
							ups[up].from.Sub(tick) > lateTick+settled {
							t.Fatalf("%+v: nothing was started for %v", trigger, missed)
						}
					}
					for tick, at := range starts {
						if tick.Before(ups[len(ups)-1].to.Add(-settled)) {
							t.Fatalf("%+v: %v is no tick, started at %v", trigger, tick, at)
						}
					}
				}
			})
		})
	}
}

// A change of a job takes effect at once, and starts no past ticks.
func TestSchedulesFollowTheirJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTickBook(1)
		b.sound = true
		s := b.scheduler(t, nil)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go s.run(ctx)
		job := runtime.Job{ID: "job", Tenant: "t", Updated: time.Now(), Spec: runtime.JobSpec{Triggers: []runtime.Trigger{{ID: "x", Type: runtime.TriggerCron, Schedule: "0 * * * *", Missed: runtime.MissedCatchUp}}}}
		s.Set(job)
		time.Sleep(150 * time.Minute)
		wantStarts(t, b, 2)
		job = job.Clone()
		job.Spec.Triggers[0].Schedule, job.Updated = "*/10 * * * *", time.Now() // at half past
		s.Set(job)
		time.Sleep(35 * time.Minute)
		wantStarts(t, b, 5)
		job = job.Clone()
		job.Spec.Triggers[0].Disabled = true
		s.Set(job)
		time.Sleep(2 * time.Hour)
		wantStarts(t, b, 5)
		job = job.Clone()
		job.Spec.Triggers[0].Disabled, job.Updated = false, time.Now()
		s.Set(job)
		time.Sleep(11 * time.Minute)
		wantStarts(t, b, 6)
		s.Drop(job)
		time.Sleep(2 * time.Hour)
		wantStarts(t, b, 6)
	})
}

func wantStarts(t *testing.T, b *tickBook, want int) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := len(b.starts["x"]); got != want {
		t.Fatalf("there are %d starts, want %d: %v", got, want, b.starts["x"])
	}
}

// No tick starts twice after the clock is set back; a tick is missed if the clock is set forward by
// more than a tick may be late.
func TestSchedulesWhenTheClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTickBook(1)
		b.sound = true
		s := b.scheduler(t, nil)
		var jump atomic.Int64
		s.o.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go s.run(ctx)
		s.Set(runtime.Job{ID: "job", Tenant: "t", Updated: time.Now(), Spec: runtime.JobSpec{Triggers: []runtime.Trigger{{ID: "x", Type: runtime.TriggerCron, Schedule: "0 * * * *"}}}})
		time.Sleep(61 * time.Minute)
		wantStarts(t, b, 1)
		jump.Store(int64(-30 * time.Minute))
		time.Sleep(40 * time.Minute) // the hour comes a second time
		wantStarts(t, b, 1)
		time.Sleep(50 * time.Minute) // and the next one
		wantStarts(t, b, 2)
		jump.Add(int64(3*time.Hour + 30*time.Minute)) // over three of them
		time.Sleep(time.Minute)
		wantStarts(t, b, 2)
		time.Sleep(time.Hour)
		wantStarts(t, b, 3)
	})
}

// A tick that cannot be started for most of the minute after it is started in that minute.
func TestTickIsRetriedWithinItsMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := newTickBook(1), time.Now()
		b.sound = true
		jobs, _ := cronTriggers(began)
		s := b.scheduler(t, jobs[:1])
		tick := began.Truncate(5 * time.Minute).Add(5 * time.Minute)
		start := s.o.Start
		s.o.Start = func(ctx context.Context, j *runtime.Job, trigger *runtime.Trigger, of time.Time) error {
			if time.Since(tick) < 50*time.Second {
				return runtime.Errorf(runtime.CodeUnavailable, "not now")
			}
			return start(ctx, j, trigger, of)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.run(ctx)
		}()
		time.Sleep(time.Until(tick.Add(time.Minute)))
		stop()
		<-ended
		if _, started := b.starts["trigger0"][tick.UTC()]; !started {
			t.Errorf("the tick %v was not started: %v", tick, b.starts)
		}
	})
}

// TestStopWithoutStart: a Scheduler that never started can be stopped.
func TestStopWithoutStart(t *testing.T) {
	s := New(Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	s.Stop()
	s.Stop()
	s.Wait()
}

// A change of one job looks at that job only, however many there are.
func TestAChangeLooksAtOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		job := func(i int) runtime.Job {
			j := runtime.Job{Tenant: "a", ID: fmt.Sprint(i), Updated: time.Now()}
			j.Spec.Triggers = []runtime.Trigger{{ID: "t", Type: runtime.TriggerCron, Schedule: "0 0 1 1 *"}}
			return j
		}
		s := New(Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
			looks.Add(1)
			return time.Now()
		}, LastTick: func(runtime.Tenant, string, string) (time.Time, error) { return time.Time{}, nil }})
		const jobs = 1000
		for i := range jobs {
			s.Set(job(i))
		}
		s.Start()
		defer s.Wait()
		defer s.Stop()
		synctest.Wait()
		first := looks.Swap(0)
		for range 10 {
			s.Set(job(7))
			synctest.Wait()
		}
		if n := looks.Load(); first < jobs || n > 100 {
			t.Errorf("%d looks at the clock for %d jobs, then %d for 10 changes", first, jobs, n)
		}
	})
}
