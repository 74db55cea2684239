package wasmbin

import "fmt"

// SectionID is the kind of a section.
type SectionID byte

// The sections of the core specification 2.0.
const (
	SectionCustom    SectionID = 0
	SectionType      SectionID = 1
	SectionImport    SectionID = 2
	SectionFunction  SectionID = 3
	SectionTable     SectionID = 4
	SectionMemory    SectionID = 5
	SectionGlobal    SectionID = 6
	SectionExport    SectionID = 7
	SectionStart     SectionID = 8
	SectionElement   SectionID = 9
	SectionCode      SectionID = 10
	SectionData      SectionID = 11
	SectionDataCount SectionID = 12
)

// header is the magic number and version at the start of every module.
const header = "\x00asm\x01\x00\x00\x00"

// rank returns the position of a non-custom section in the order of the specification: by id, but
// the data count comes before the code.
func (id SectionID) rank() int {
	if id == SectionDataCount {
		return int(SectionElement)*2 + 1
	}
	return int(id) * 2
}

// Section is one section of a module.
type Section struct {
	ID SectionID
	// Offset is the position in the module where Body starts, in bytes.
	Offset int
	// Body is the content without id and size. It shares memory with the module.
	Body []byte
}

// Reader returns a reader of the section's body.
func (s Section) Reader() *Reader { return NewReader(s.Body, s.Offset) }

// Sections splits a module into its sections. Non-custom sections must come in the specified order
// and at most once each.
func Sections(module []byte) ([]Section, error) {
	if len(module) < len(header) || string(module[:len(header)]) != header {
		return nil, formatErrorf(0, "not a WebAssembly module of version 1")
	}
	r := NewReader(module, 0)
	r.pos = len(header)
	var sections []Section
	rank := 0
	for r.Len() > 0 {
		start := r.Offset()
		b, err := r.Byte()
		if err != nil {
			return nil, err
		}
		id := SectionID(b)
		if id > SectionDataCount {
			return nil, formatErrorf(start, "unknown section id %d", b)
		}
		size, err := r.Uint32()
		if err != nil {
			return nil, err
		}
		offset := r.Offset()
		body, err := r.Bytes(size)
		if err != nil {
			return nil, fmt.Errorf("section %d: %w", b, err)
		}
		if id != SectionCustom {
			if id.rank() <= rank {
				return nil, formatErrorf(start, "section %d is repeated or out of order", b)
			}
			rank = id.rank()
		}
		sections = append(sections, Section{ID: id, Offset: offset, Body: body})
	}
	return sections, nil
}

// Join returns a module that consists of the sections. It is the inverse of Sections.
func Join(sections []Section) []byte {
	size := len(header)
	for _, s := range sections {
		size += len(s.Body) + 6
	}
	out := append(make([]byte, 0, size), header...)
	for _, s := range sections {
		out = append(out, byte(s.ID))
		out = AppendUint32(out, uint32(len(s.Body)))
		out = append(out, s.Body...)
	}
	return out
}

// Replace replaces the body of section id, or inserts the section at its specified position.
// Offsets of inserted sections are zero.
func Replace(sections []Section, id SectionID, body []byte) []Section {
	for i := range sections {
		if sections[i].ID == id {
			sections[i].Body = body
			return sections
		}
	}
	at := len(sections)
	for i, s := range sections {
		if s.ID != SectionCustom && s.ID.rank() > id.rank() {
			at = i
			break
		}
	}
	sections = append(sections, Section{})
	copy(sections[at+1:], sections[at:])
	sections[at] = Section{ID: id, Body: body}
	return sections
}
