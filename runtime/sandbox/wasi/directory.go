package wasi

import (
	"cmp"
	"maps"
	"slices"
)

// directory is the list of entries of one directory in /tmp, in order of creation.
type directory struct {
	list  []entry
	index map[string]uint64 // cookie by name; nil while the list is short
	last  uint64            // the highest cookie assigned so far
}

// entry is one name in a directory.
type entry struct {
	name   string
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
		for _, e := range d.list {
			d.index[e.name] = e.cookie
		}
	}
}

// remove deletes the i-th entry.
func (d *directory) remove(i int) {
	delete(d.index, d.list[i].name)
	d.list = slices.Delete(d.list, i, i+1)
}

// after returns the entries that follow a cookie.
func (d *directory) after(cookie uint64) []entry {
	i, found := slices.BinarySearchFunc(d.list, cookie, func(e entry, c uint64) int { return cmp.Compare(e.cookie, c) })
	if found {
		i++
	}
	return d.list[i:]
}

func (d *directory) clone() directory {
	return directory{list: slices.Clone(d.list), index: maps.Clone(d.index), last: d.last}
}
