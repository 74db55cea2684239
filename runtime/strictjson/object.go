package strictjson

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// fewNames is the largest number of names of an object that are compared pairwise. Beyond it a hash
// table is faster, and an attacker could exploit the quadratic time.
const fewNames = 8

// roomForNames is the number of names that can be open at once without using the heap.
const roomForNames = 32

// name is a member name of an open object.
type name struct {
	at       uint32 // offset of its opening quote in data
	from, to uint32 // its text: in data, or at an offset beyond len(data) in plain
}

// nameStack is a stack of names: the first ones in place, the others on the heap. A slice of an
// array in the same struct would move all of it to the heap.
type nameStack struct {
	size  int
	first [roomForNames]name
	rest  []name
}

func (s *nameStack) push(n name) {
	if s.size < roomForNames {
		s.first[s.size] = n
	} else {
		s.rest = append(s.rest[:s.size-roomForNames], n)
	}
	s.size++
}

func (s *nameStack) at(i int) name {
	if i < roomForNames {
		return s.first[i]
	}
	return s.rest[i-roomForNames]
}

func (c *checker) object(i, depth int) (int, *failure) {
	if depth == c.maxDepth {
		return i, c.tooDeep(i)
	}
	names, plain := c.names.size, len(c.plain)
	if i = c.space(i + 1); i < len(c.data) && c.data[i] == '}' {
		return i + 1, nil
	}
	for {
		if i == len(c.data) {
			return i, fail(i, "the document ends inside an object")
		}
		if c.data[i] != '"' {
			return i, fail(i, "a member name in double quotes should be here")
		}
		end, escaped, f := c.str(i)
		if f != nil {
			return i, f
		}
		n := name{at: uint32(i), from: uint32(i + 1), to: uint32(end - 1)}
		if escaped {
			n.from = uint32(len(c.data) + len(c.plain))
			c.plain = unescape(c.plain, c.data[i+1:end-1])
			n.to = uint32(len(c.data) + len(c.plain))
		}
		if c.names.size-names < fewNames {
			for j := names; j < c.names.size; j++ {
				other := c.names.at(j)
				if n.to-n.from == other.to-other.from && bytes.Equal(c.text(n), c.text(other)) {
					return i, c.twice(n)
				}
			}
		}
		c.names.push(n)

		if i = c.space(end); i == len(c.data) || c.data[i] != ':' {
			return i, fail(i, "a colon should follow the member name").inMember(c.text(n))
		}
		if end, f = c.value(c.space(i+1), depth+1); f != nil {
			return i, f.inMember(c.text(n))
		}
		i = c.space(end)
		switch {
		case i == len(c.data):
			return i, fail(i, "the document ends inside an object")
		case c.data[i] == '}':
			if c.names.size-names > fewNames {
				f = c.distinct(names)
			}
			c.names.size, c.plain = names, c.plain[:plain]
			return i + 1, f
		case c.data[i] != ',':
			return i, fail(i, "a comma or the end of the object should be here")
		}
		i = c.space(i + 1)
	}
}

// text returns the unescaped text of a name.
func (c *checker) text(n name) []byte {
	if size := uint32(len(c.data)); n.from >= size {
		return c.plain[n.from-size : n.to-size]
	}
	return c.data[n.from:n.to]
}

func (c *checker) twice(n name) *failure {
	return fail(int(n.at), "the name appears twice in the object").inMember(c.text(n))
}

// distinct fails if two of the names from index from on are equal. Nested objects end one after the
// other, so all share the tables. An entry holds the upper half of a name's hash and the name's
// index plus one. The hash has a random seed for each check, so a client cannot send names that
// collide.
func (c *checker) distinct(from int) *failure {
	if !c.seeded {
		c.seed, c.seeded = maphash.MakeSeed(), true
	}
	count := c.names.size - from
	size := 1 << bits.Len(uint(count+count/3)) // at most three quarters full
	table := c.smallTable[:]
	if size > len(table) {
		if size > len(c.largeTable) {
			c.largeTable = make([]uint64, size)
		}
		table = c.largeTable
	}
	table = table[:size]
	clear(table)
	for i := from; i < c.names.size; i++ {
		n := c.names.at(i)
		text := c.text(n)
		hash := maphash.Bytes(c.seed, text)
		for slot := int(hash) & (size - 1); ; slot = (slot + 1) & (size - 1) {
			entry := table[slot]
			if entry == 0 {
				table[slot] = hash>>32<<32 | uint64(i+1)
				break
			}
			if entry>>32 == hash>>32 && bytes.Equal(text, c.text(c.names.at(int(uint32(entry))-1))) {
				return c.twice(n)
			}
		}
	}
	return nil
}
