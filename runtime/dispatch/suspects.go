package dispatch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// A run may kill the server process. The next process knows which background runs were under way,
// and nothing else. This is how a run that does so again and again is found, while no other run
// waits for it and none fails in its place.
//
// After the first loss nothing changes: machines lose power, and servers are killed. From the
// second loss on, a run is a suspect. Suspects go on probation in groups, beside all other runs,
// which start as if there were none. The first group is half of the most suspected, those with the
// most losses; each group that the process outlives is followed by one of twice the size. So each
// death halves the most suspected, and a process that lives soon starts all of them. A suspect that
// outlives its probation is like any other run in this process. These losses are recorded and not
// charged: any member of the group may be the cause, or a run beside it.
//
// A group of one goes alone. First the process lives for a control period without it: if the
// process dies in that period, another cause is at work, and earlier charges are dropped. Then
// nothing begins for a quarter of a second before the suspect and another one after it, runs that
// callers wait for included. A run that kills the process at once cannot be the cause then. If no
// other run is left under way, the suspect is charged with a third of what fails it; else with a
// fifth, because one of the others may be the cause after all. A death charges nobody if more than
// one suspect was under way. Control periods are random, and grow with the charges, so that neither
// a loop of kills from outside nor a client that repeats a deadly call hits so many probations.
//
// A run that kills the process later outlives its probation. The next probation of all suspects
// that had outlived theirs is four times as long, until it is long enough; then the groups are
// halved as above. No run waits beside a long probation. Instead, a suspect goes alone when all
// other suspects have ended, after a longer control period, and is charged with a fifth. These late
// suspects start when the others have outlived the shortest probation.
//
// Let n runs be under way, one of which kills the process each time. If it does so within a quarter
// of a second, it fails after at most 2 + log2(n) + 3 deaths (19 for n = 10,001), or two more if
// other runs are always under way. If it does so later, it fails after at most
// 2 + s + 1 + log2(n) + 5 deaths, where s is the least number for which 0.25 s * 4^s is longer
// (21 for n = 64 and a run that kills the process after 59 minutes).

const (
	// suspectLosses is the number of losses that makes a run a suspect.
	suspectLosses = 2
	// A suspect fails at maxCharges: after three deaths while nothing else ran, or five beside others.
	maxCharges   = 15
	aloneCharge  = maxCharges / 3
	besideCharge = maxCharges / 5
	// shortProbation is the first probation of a suspect. Most runs that kill the process do so
	// at once.
	shortProbation = 250 * time.Millisecond
	// leadTime is the time for which nothing begins before a suspect begins alone: a run that
	// kills the process within a probation has then done so.
	leadTime = shortProbation
	// maxStretch bounds the length of probations at 4,096 s, more than a run may take.
	maxStretch = 7
	// suspectsAhead bounds the suspects of a lane and a tenant that have a lease and wait for memory.
	suspectsAhead = 32
)

// probationTime returns the length of the probation of a run that was lost stretch times after it
// had outlived one.
func probationTime(stretch uint8) time.Duration {
	return shortProbation << (2 * min(stretch, maxStretch))
}

// controlTime returns how long the process lives without a suspect before it goes alone, where
// random(n) is less than n.
func controlTime(s runtime.Suspicion, random func(n time.Duration) time.Duration) time.Duration {
	least := probationTime(s.Stretch)
	if s.Stretch == 0 {
		least *= 2 << min(s.Charges/besideCharge, 3)
	} else {
		least *= 4 << (s.Charges / besideCharge % 2)
	}
	return least + random(least)
}

func randomTime(n time.Duration) time.Duration { return rand.N(n) }

// suspected reports whether a run must go on probation.
func suspected(s runtime.Suspicion) bool { return s.Losses >= suspectLosses || s.Stretch > 0 }

// charge returns the charge for the loss of an attempt of the only suspect.
func charge(p runtime.Probation) uint8 {
	switch p {
	case runtime.ProbationAlone:
		return aloneCharge
	case runtime.ProbationBeside:
		return besideCharge
	}
	return 0
}

// AfterDeath changes the executions that were under way when the server process died into those to
// store: queued again, or failed at maxCharges. The store cancels them if a cancellation
// was requested. waiting are executions that were queued meanwhile; AfterDeath returns the changes
// of those that the death has absolved of earlier charges.
func AfterDeath(lost, waiting []runtime.Execution, now time.Time) (absolved []runtime.SuspicionChange) {
	suspects := 0 // that were under way
	for i := range lost {
		if suspected(lost[i].Suspicion) {
			suspects++
		}
	}
	for i := range waiting {
		x := &waiting[i]
		if s := &x.Suspicion; suspects == 0 && s.Charges+s.Stretch > 0 {
			s.Charges, s.Stretch = 0, 0
			absolved = append(absolved, runtime.SuspicionChange{Tenant: x.Tenant, ID: x.ID, Attempt: x.Attempt, Suspicion: *s})
		}
	}
	for i := range lost {
		x := &lost[i]
		s := &x.Suspicion
		switch s.Probation {
		case runtime.ProbationOutlived:
			s.Stretch, s.Charges = min(s.Stretch+1, maxStretch), 0
		default:
			s.Losses = min(s.Losses, math.MaxUint8-1) + 1
			if suspects == 1 {
				s.Charges += charge(s.Probation)
			}
		}
		s.Probation = runtime.ProbationNone
		x.LostAttempts++
		x.State = runtime.StateQueued
		if s.Charges >= maxCharges && !x.CancelRequested {
			x.State = runtime.StateFailed
			x.Finished = now
			x.Failure = &runtime.Failure{
				Class:   runtime.ClassInternal,
				Message: fmt.Sprintf("the server ended %d times while this ran, at last repeatedly while it was the only suspect, so it is not tried again", x.LostAttempts),
			}
		}
	}
	return absolved
}

// lane is a sequence of suspects that go on probation one group after the other.
type lane struct {
	late    bool                   // for suspects whose probation is longer than shortProbation
	waiting []*QueuedRun           // in the order of QueuedRun.Before
	last    []*QueuedRun           // late suspects that go alone, after all others have ended
	size    int                    // of the group on probation, or of the latest one; 0: there was none
	stretch uint8                  // of the group
	losses  uint8                  // of the most suspected of the group, if it is late
	room    int                    // members that the group may still get
	alone   bool                   // the group is one run, which goes alone
	ended   bool                   // it goes when all other suspects have ended
	control int64                  // time at which its control period ends, on the Dispatcher's clock; 0: it has not begun
	members []*attempt             // attempts that have not outlived their probation
	ahead   map[runtime.Tenant]int // members that have not begun
	crowded bool                   // the tenants of all suspects that may join have suspectsAhead of them
	latest  int64                  // time at which the group was formed or its latest member began
}

// waits returns the number of suspects that have no lease.
func (l *lane) waits() int { return len(l.waiting) + len(l.last) }

// insert adds a suspect.
func (l *lane) insert(r *QueuedRun) {
	at := len(l.waiting)
	if at > 0 && r.Before(l.waiting[at-1]) {
		at, _ = slices.BinarySearchFunc(l.waiting, r, func(s, r *QueuedRun) int {
			if s.Before(r) {
				return -1
			}
			return 1
		})
	}
	l.waiting = slices.Insert(l.waiting, at, r)
	l.crowded = false
}

// countAhead adds n to the members of a tenant that have not begun.
func (l *lane) countAhead(tenant runtime.Tenant, n int) {
	if l.ahead == nil {
		l.ahead = make(map[runtime.Tenant]int)
	}
	l.crowded = false
	if l.ahead[tenant] += n; l.ahead[tenant] == 0 {
		delete(l.ahead, tenant)
	}
}

// next removes and returns the suspect that is next.
func (l *lane) next() *QueuedRun {
	r := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return r
}

// nextInTurn removes and returns the first suspect that may join the group and whose tenant has few
// that wait for memory, so that no tenant waits behind the many suspects of another. It returns nil
// if there is none.
func (l *lane) nextInTurn() *QueuedRun {
	for i, r := range l.waiting {
		switch {
		case !l.belongs(r):
			l.crowded = true
			return nil
		case i == 0 && l.ahead[r.Tenant] < suspectsAhead:
			return l.next()
		case l.ahead[r.Tenant] < suspectsAhead:
			l.waiting = slices.Delete(l.waiting, i, i+1)
			return r
		}
	}
	l.crowded = true
	return nil
}

// removeTasks removes the tasks of a group and returns their number.
func (l *lane) removeTasks(g *TaskGroup) (n int) {
	before := l.waits()
	of := func(r *QueuedRun) bool { return r.Job == g }
	l.waiting, l.last = slices.DeleteFunc(l.waiting, of), slices.DeleteFunc(l.last, of)
	return before - l.waits()
}

// remove removes an attempt that has outlived its probation or has ended.
func (l *lane) remove(a *attempt) {
	if i := slices.Index(l.members, a); i >= 0 {
		l.members = slices.Delete(l.members, i, i+1)
	}
}

// outlived returns the members that have just outlived their probation, and the time until the
// next one may have. blocked reports whether the group is still on probation. Members that wait for
// memory do not hold up the next group, unless they go alone.
func (l *lane) outlived(clock int64) (over []*attempt, wait time.Duration, blocked bool) {
	for _, a := range l.members {
		var due int64
		switch {
		case a.outlived:
			blocked = true // until that is on disk
			continue
		case a.beganAt == 0 && l.alone:
			blocked = true
			continue
		case a.beganAt == 0:
			if due = l.latest + int64(probationTime(l.stretch)); due <= clock {
				continue
			}
		default:
			if due = a.beganAt + int64(probationTime(a.run.suspicion.Stretch)); due <= clock {
				a.outlived = true
				over = append(over, a)
			}
		}
		blocked = true
		wait = sooner(wait, time.Duration(due-clock))
	}
	return over, wait, blocked
}

// sooner returns the shorter of two times, where times of at most 0 do not count.
func sooner(a, b time.Duration) time.Duration {
	switch {
	case a <= 0:
		return max(b, 0)
	case b <= 0:
		return a
	}
	return min(a, b)
}

// form begins the next group, if there is one.
func (l *lane) form(clock int64) {
	l.room, l.alone, l.ended, l.crowded, l.control, l.latest = 0, false, false, false, 0, clock
	if l.waits() == 0 {
		if len(l.members) == 0 {
			l.size = 0
		}
		return
	}
	if l.late {
		l.formLate()
		return
	}
	if l.size == 0 {
		l.size = (l.first(func(a, b runtime.Suspicion) bool { return a.Losses == b.Losses }) + 1) / 2
	} else {
		l.size *= 2
	}
	l.stretch, l.room, l.alone = 0, l.size, l.size == 1
}

// formLate forms a group of late suspects: half of those with the same probation, without the most
// suspected of them, then the other half, then each half of the most suspected. One alone goes last.
func (l *lane) formLate() {
	for len(l.waiting) > 0 {
		head := l.waiting[0].suspicion
		again := l.size > 0 && head.Stretch == l.stretch
		same := l.first(func(a, b runtime.Suspicion) bool { return a.Stretch == b.Stretch })
		most := l.waiting[same-1].suspicion.Losses
		n := slices.IndexFunc(l.waiting[:same], func(r *QueuedRun) bool { return r.suspicion.Losses == most })
		if n == 0 {
			n = same
		} else {
			most--
		}
		switch {
		case again && head.Losses <= l.losses:
			l.size = n // the other half
		case n == 1:
			l.last = append(l.last, l.next())
			continue
		default:
			l.size = (n + 1) / 2
		}
		l.stretch, l.losses, l.room, l.alone = head.Stretch, most, l.size, l.size == 1
		return
	}
	if len(l.last) > 0 {
		l.size, l.room, l.alone, l.ended, l.stretch = 1, 1, true, true, l.last[0].suspicion.Stretch
		l.waiting, l.last = append(l.waiting, l.last[0]), l.last[1:]
	}
}

// first returns the number of waiting suspects at the front that are like the first.
func (l *lane) first(like func(a, b runtime.Suspicion) bool) int {
	n := slices.IndexFunc(l.waiting, func(r *QueuedRun) bool { return !like(r.suspicion, l.waiting[0].suspicion) })
	if n < 0 {
		return len(l.waiting)
	}
	return n
}

// done reports whether all suspects have outlived their probation or have ended.
func (l *lane) done() bool { return l.waits()+len(l.members) == 0 }

// open reports whether the next waiting suspect belongs to the group.
func (l *lane) open() bool { return l.room > 0 && len(l.waiting) > 0 && l.belongs(l.waiting[0]) }

// belongs reports whether a suspect belongs to the group, if there is room.
func (l *lane) belongs(r *QueuedRun) bool {
	s := r.suspicion
	return s.Stretch == l.stretch && (!l.late || l.alone || s.Losses <= l.losses)
}

// mayJoin reports whether a waiting suspect may join the group now.
func (l *lane) mayJoin() bool { return l.open() && !l.crowded }

// inControl returns the time that is left of the control period of the suspect that goes alone.
func (l *lane) inControl(clock int64, random func(n time.Duration) time.Duration) time.Duration {
	if l.control == 0 {
		l.control = clock + int64(controlTime(l.waiting[0].suspicion, random))
	}
	return time.Duration(max(l.control-clock, 0))
}

// quiet is the time in which nothing begins, so that a suspect goes alone.
type quiet struct {
	suspect *attempt
	stage   quietStage
	until   int64 // end of the lead
}

type quietStage int

const (
	noQuiet   quietStage = iota
	reserving            // the suspect waits for its memory; others begin
	reserved             // it has its memory, and the admission is about to pause
	leading              // nothing begins, and the suspect does not yet
	going                // the suspect has a lease; nothing else begins
	quietOver            // the admission is about to resume
)
