package sandbox

import (
	"iter"

	"github.com/faaspot/faaspot/runtime"
)

// idleSlots holds slots in the order of their last use, those apart that have a mapped image loaded or are
// warm, and those with one image of one tenant as well. A look-up takes constant time: there may be thousands of
// slots, and runs wait for it.
type idleSlots struct {
	copied, mapped, warm slotList
	byKey                map[slotKey]slotList
}

// slotKey is the state of a slot that is of use to a run. Slots without an image have a zero key.
type slotKey struct {
	image  *image
	tenant runtime.Tenant
}

func (s *slot) key() slotKey {
	if s.image == nil {
		return slotKey{}
	}
	return slotKey{s.image, s.tenant}
}

// mapped reports whether loads map a part of the image. To load it costs a slot more than the processors'
// caches gain if few slots take turns, so it is worth a slot of its own.
func (img *image) mapped() bool { return img != nil && img.stretch.len() > 0 }

// isWarm reports whether the slot is left to the image that it has loaded.
func (s *slot) isWarm() bool { return s.hits >= warmHits && s.image != nil && !s.image.mapped() }

// slotList is a list of slots, most recently used last.
type slotList struct {
	first, last *slot
	len         int
}

// slotLink is the place of a slot in a list.
type slotLink struct{ previous, next *slot }

// The lists that a slot is in.
const (
	linkUse = iota
	linkKey
	links
)

func (l *slotList) append(s *slot, link int) {
	s.links[link] = slotLink{previous: l.last}
	if l.last == nil {
		l.first = s
	} else {
		l.last.links[link].next = s
	}
	l.last = s
	l.len++
}

func (l *slotList) remove(s *slot, link int) {
	at := s.links[link]
	if at.previous == nil {
		l.first = at.next
	} else {
		at.previous.links[link].next = at.next
	}
	if at.next == nil {
		l.last = at.previous
	} else {
		at.next.links[link].previous = at.previous
	}
	s.links[link] = slotLink{}
	l.len--
}

// maxLooks bounds the slots that a search looks at.
const maxLooks = 64

// smallest returns the slot that fits with the smallest memory, among the most or the least recently
// used ones of a list: the larger ones are left to those who need them. It returns nil if none fits.
func (l slotList) smallest(link int, newestFirst bool, fits func(*slot) bool) (best *slot) {
	s := l.first
	if newestFirst {
		s = l.last
	}
	for range maxLooks {
		if s == nil {
			return best
		}
		if fits(s) && (best == nil || s.reserved < best.reserved) {
			best = s
		}
		if newestFirst {
			s = s.links[link].previous
		} else {
			s = s.links[link].next
		}
	}
	return best
}

func (i *idleSlots) len() int { return i.copied.len + i.mapped.len + i.warm.len }

// list returns the slots that have an image loaded like this one, a mapped one or not, and are not warm.
func (i *idleSlots) list(img *image) *slotList {
	if img.mapped() {
		return &i.mapped
	}
	return &i.copied
}

// listOf returns the list that a slot belongs to.
func (i *idleSlots) listOf(s *slot) *slotList {
	if s.isWarm() {
		return &i.warm
	}
	return i.list(s.image)
}

func (i *idleSlots) add(s *slot) {
	i.listOf(s).append(s, linkUse)
	if i.byKey == nil {
		i.byKey = make(map[slotKey]slotList)
	}
	list := i.byKey[s.key()]
	list.append(s, linkKey)
	i.byKey[s.key()] = list
}

// remove removes a slot, whose image must be the one with which it was added.
func (i *idleSlots) remove(s *slot) {
	i.listOf(s).remove(s, linkUse)
	list := i.byKey[s.key()]
	if list.remove(s, linkKey); list.len == 0 {
		delete(i.byKey, s.key())
		return
	}
	i.byKey[s.key()] = list
}

// each returns the slots: those with a mapped image first, and warm ones last, each kind least recently used first. The
// present one may be removed.
func (i *idleSlots) each() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		for _, s := range []*slot{i.mapped.first, i.copied.first, i.warm.first} {
			for s != nil {
				next := s.links[linkUse].next
				if !yield(s) {
					return
				}
				s = next
			}
		}
	}
}
