package wasi

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// directory is the list of entries of one directory in /tmp, in order of creation.
type directory struct {
	list    []entry           // and removed entries, fewer than a quarter
	removed int               // number of removed entries in list
	index   map[string]uint64 // cookie by name; nil while the list is short
	last    uint64            // the highest cookie assigned so far
}

// entry is one name in a directory.
type entry struct {
	name   string // empty: the entry was removed
	cookie uint64 // ascending along the list and never reused, so that a listing survives changes
	slot   uint32
}

const (
	// Cookies of "." and "..", which every directory has; real entries follow.
	cookieDot    = 1
	cookieDotDot = 2

	// indexFrom is the length from which a list is searched by map. Below it, comparing names is as
	// fast.
	indexFrom = 16
)

// find returns the index of a name in the list.
func (d *directory) find(name []byte) (int, bool) {
	if d.index == nil {
		for i := range d.list {
			if d.list[i].name == string(name) {
				return i, true
			}
		}
		return 0, false
	}
	cookie, ok := d.index[string(name)]
	if !ok {
		return 0, false
	}
	return slices.BinarySearchFunc(d.list, cookie, func(e entry, c uint64) int { return cmp.Compare(e.cookie, c) })
}

// add appends an entry whose name is new.
func (d *directory) add(name string, slot uint32) {
	d.last = max(d.last, cookieDotDot) + 1
	d.list = append(d.list, entry{name: name, cookie: d.last, slot: slot})
	switch {
	case d.index != nil:
		d.index[name] = d.last
	case len(d.list) >= indexFrom:
		d.index = make(map[string]uint64, 2*indexFrom)
		for e := range d.entries() {
			d.index[e.name] = e.cookie
		}
	}
}

// remove deletes the i-th entry. Entries behind it move only once for many removals.
func (d *directory) remove(i int) {
	delete(d.index, d.list[i].name)
	d.list[i] = entry{cookie: d.list[i].cookie}
	if d.removed++; 4*d.removed >= len(d.list) {
		d.list = slices.DeleteFunc(d.list, entry.isRemoved)
		d.removed = 0
	}
}

func (e entry) isRemoved() bool { return e.name == "" }

// len returns the number of entries.
func (d *directory) len() int { return len(d.list) - d.removed }

// entries yields all entries.
func (d *directory) entries() iter.Seq[entry] { return d.after(0) }

// after yields the entries that follow a cookie.
func (d *directory) after(cookie uint64) iter.Seq[entry] {
	i, found := slices.BinarySearchFunc(d.list, cookie, func(e entry, c uint64) int { return cmp.Compare(e.cookie, c) })
	if found {
		i++
	}
	return func(yield func(entry) bool) {
		for _, e := range d.list[i:] {
			if !e.isRemoved() && !yield(e) {
				return
			}
		}
	}
}

func (d *directory) clone() directory {
	list := slices.AppendSeq(make([]entry, 0, d.len()), d.entries())
	return directory{list: list, index: maps.Clone(d.index), last: d.last}
}
