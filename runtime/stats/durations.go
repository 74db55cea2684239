package stats

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// Durations are counted in classes: one for each microsecond up to classSteps, then classSteps for each
// power of two. So the middle of a class is off by at most half of 1/classSteps.
const (
	classBits  = 3
	classSteps = 1 << classBits
)

// class is a range of durations.
type class uint16

// classOf returns the class of a duration, which is not negative.
func classOf(d time.Duration) class {
	us := uint64(d / time.Microsecond)
	if us < classSteps {
		return class(us)
	}
	shift := bits.Len64(us) - 1 - classBits
	return class(uint64(shift+1)<<classBits | us>>shift&(classSteps-1))
}

// middle returns the middle of a class.
func (c class) middle() time.Duration {
	if c < classSteps {
		return time.Duration(c)*time.Microsecond + time.Microsecond/2
	}
	shift := int(c>>classBits) - 1
	low := uint64(classSteps|c&(classSteps-1)) << shift
	return time.Duration(low)*time.Microsecond + time.Duration(uint64(1)<<shift)*time.Microsecond/2
}

// durations counts durations. The zero value has none.
type durations struct {
	classes []classCount // in ascending order
	count   uint64
	sum     time.Duration
	max     time.Duration
}

type classCount struct {
	class class
	count uint32
}

// add counts a duration of a class.
func (d *durations) add(x time.Duration, of class) {
	d.count++
	d.sum += x
	d.max = max(d.max, x)
	at, found := slices.BinarySearchFunc(d.classes, of, func(e classCount, c class) int { return cmp.Compare(e.class, c) })
	if !found {
		d.classes = slices.Insert(d.classes, at, classCount{class: of})
	}
	d.classes[at].count++
}

// merge adds the durations of another.
func (d *durations) merge(other *durations) {
	d.count += other.count
	d.sum += other.sum
	d.max = max(d.max, other.max)
	at := 0
	for _, e := range other.classes {
		for at < len(d.classes) && d.classes[at].class < e.class {
			at++
		}
		if at == len(d.classes) || d.classes[at].class != e.class {
			d.classes = slices.Insert(d.classes, at, classCount{class: e.class})
		}
		d.classes[at].count += e.count
	}
}

// mean returns the mean, zero if there is no duration.
func (d *durations) mean() time.Duration {
	if d.count == 0 {
		return 0
	}
	return d.sum / time.Duration(d.count)
}

// quantile returns the duration that a part of all, from 0 to 1, does not exceed.
func (d *durations) quantile(part float64) time.Duration {
	rank := uint64(part * float64(d.count))
	for _, e := range d.classes {
		if rank < uint64(e.count) {
			return min(e.class.middle(), d.max)
		}
		rank -= uint64(e.count)
	}
	return d.max
}
