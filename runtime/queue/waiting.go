package queue

import "container/list"

// Runs that have started and wait for something have lent what they do not hold. To go on they wait
// for it here, see [Run.Reclaim]. Those go on that want least first, which rules out a deadlock:
//
// Bytes that a run lends go to other runs only, and to idle instances, which give them up at once. Let
// nobody compute any more, and look at the run that lent last. When it did, what it lent was free; what
// has been taken since was taken by runs that have ended, which have returned it, or that have lent
// it themselves later, which contradicts the choice. So its memory is free, and so is that of the
// run that wants least. It goes on with all that it may use, and ends, or lends again and is then the
// last. The same holds within the shares of functions and tenants, because the last of all is the
// last of its function and its tenant, too; and for the first unshared runs, which may exceed a
// share, because a share lets one go on when all its runs want to.
//
// With the least first alone, a large run could wait forever while small ones come and go. So when
// maxOvertaken runs have gone on before the one that waits longest, it goes next, even beyond
// its shares, as long as it would fit if only the runs that wait kept what they hold. Likewise, a run
// that has not started may start before them, see [Admission.next].

// ages holds the runs that wait for what they have lent in the order in which they came.
type ages struct {
	order  list.List // of *Run
	served uint64    // runs that have taken back what they had lent
}

// age is the place of a run in ages.
type age struct {
	element *list.Element // nil: it is not there
	served  uint64        // ages.served when it came
}

// The methods below are called with the mutex of the Admission held.

// lend lends what a run does not keep, if anything.
func (a *Admission) lend(r *Run, keeps int64) {
	r.waits, r.lent, r.charged = true, r.Bytes-keeps, keeps
	a.lending++
	if r.lent > 0 {
		a.memory.Lend(r.lent)
	}
	a.owed += r.lent
	a.kept += keeps
	r.count(-r.lent, -1, 1)
}

// takeBack takes what a run has lent, if it is free.
func (a *Admission) takeBack(r *Run) bool {
	if r.lent > 0 && !a.memory.TakeBack(r.lent) {
		return false
	}
	if r.age.element != nil {
		a.endWait(r)
		a.progress++
	}
	lent := r.lent
	if lent > 0 {
		a.ages.served++
	}
	a.forget(r)
	r.charged = r.Bytes
	r.count(lent, 1, -1)
	return true
}

// forget drops what a run has lent.
func (a *Admission) forget(r *Run) {
	a.owed -= r.lent
	a.kept -= r.charged
	if r.parked {
		r.parked = false
		a.parked--
	}
	r.waits, r.lent = false, 0
	a.lending--
}

// wait adds a run to those that want back what they have lent.
func (a *Admission) wait(r *Run) {
	r.age = age{element: a.ages.order.PushBack(r), served: a.ages.served}
	r.share.returning.set(r, true)
	r.count(0, 0, -1)
}

// endWait removes a run from them.
func (a *Admission) endWait(r *Run) {
	a.ages.order.Remove(r.age.element)
	r.age = age{}
	r.share.returning.set(r, false)
	r.count(0, 0, 1)
}

// nextToGoOn returns the run that is to go on next, or nil: those that there are have their share.
func (a *Admission) nextToGoOn() *Run {
	if e := a.ages.order.Front(); e != nil {
		r := e.Value.(*Run)
		if a.ages.served-r.age.served >= maxOvertaken && r.lent <= a.memory.FreeOfRuns()-a.kept {
			return r
		}
	}
	return a.all.first()
}

// goOn lets runs go on that want back what they have lent, and returns what the next wants.
func (a *Admission) goOn() demand {
	for r := a.nextToGoOn(); r != nil; r = a.nextToGoOn() {
		if lent := r.lent; !a.takeBack(r) {
			return demand{lent, lent}
		}
		close(r.decided)
	}
	return demand{}
}
