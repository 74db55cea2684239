package queue

import (
	"container/heap"
	"container/list"
)

// waiting is what an Admission knows of the runs that have started and wait for something, or that
// want to go on and wait for what they have lent.
//
// Those go on that want least first, which rules out a deadlock. Bytes that a run lends go to other
// runs only, and to idle instances, which give them up at once. Let nobody compute any more, and
// look at the run that lent last: when it did, what it lent was free; what has been taken since was
// taken by runs that have ended, which have returned it, or that have lent it themselves later, which
// contradicts the choice. So its memory is free, and so is that of the run that wants least. It goes
// on with all that it may use, and ends, or lends again and is then the last.
//
// With the smallest first alone, a large run could wait forever while small ones come and go. So
// when maxOvertaken runs have gone on before the one that waits longest, it goes next, as long as it
// would fit if only the runs that wait kept what they hold.
type waiting struct {
	owed   int64 // bytes that runs have lent
	holds  int64 // bytes that these runs keep
	served uint64
	bySize sizes
	byAge  list.List // of *Run
}

// place is the place of a run in waiting.
type place struct {
	index   int           // in bySize
	element *list.Element // in byAge; nil: it is in neither
	served  uint64        // number of runs that had gone on when it came
}

// len returns the number of runs that wait for what they have lent.
func (w *waiting) len() int { return len(w.bySize) }

func (w *waiting) has(r *Run) bool { return r.place.element != nil }

func (w *waiting) add(r *Run) {
	r.place = place{element: w.byAge.PushBack(r), served: w.served}
	heap.Push(&w.bySize, r)
}

func (w *waiting) remove(r *Run) {
	heap.Remove(&w.bySize, r.place.index)
	w.byAge.Remove(r.place.element)
	r.place = place{}
}

// next returns the run that goes on next, if there may be room bytes for it at most.
func (w *waiting) next(room int64) *Run {
	oldest := w.byAge.Front().Value.(*Run)
	if w.served-oldest.place.served >= maxOvertaken && oldest.lent <= room {
		return oldest
	}
	return w.bySize[0]
}

// sizes is a heap of runs, with the one that has lent least first. It implements heap.Interface.
type sizes []*Run

func (s sizes) Len() int           { return len(s) }
func (s sizes) Less(i, j int) bool { return s[i].lent < s[j].lent }
func (s sizes) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place.index, s[j].place.index = i, j
}

func (s *sizes) Push(x any) {
	r := x.(*Run)
	r.place.index = len(*s)
	*s = append(*s, r)
}

func (s *sizes) Pop() any {
	last := len(*s) - 1
	r := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return r
}

// The methods below are called with the mutex of the Admission held.

// waits counts a run that has lent.
func (a *Admission) waits(r *Run) {
	r.charged = r.Bytes - r.lent
	a.shares.add(r, -r.lent)
	a.waiting.owed += r.lent
	a.waiting.holds += r.charged
}

func (a *Admission) noLongerWaits(r *Run) {
	a.waiting.owed -= r.lent
	a.waiting.holds -= r.charged
}

// takeBack takes what a run has lent, if it is free.
func (a *Admission) takeBack(r *Run) bool {
	if !a.memory.TakeBack(r.lent) {
		return false
	}
	a.noLongerWaits(r)
	a.shares.add(r, r.lent)
	r.charged, r.lent = r.Bytes, 0
	return true
}

// goOn lets runs go on that want back what they have lent, and returns what the next wants.
func (a *Admission) goOn() demand {
	for a.waiting.len() > 0 {
		r := a.waiting.next(a.memory.FreeOfRuns() - a.waiting.holds)
		if lent := r.lent; !a.takeBack(r) {
			return demand{lent, lent}
		}
		a.waiting.remove(r)
		a.waiting.served++
		close(r.decided)
	}
	return demand{}
}
