package wasmbin

import "fmt"

// Segment is an active data segment: bytes that instantiation writes into memory.
type Segment struct {
	// Offset is the address of the first byte.
	Offset uint32
	// Bytes shares memory with the module.
	Bytes []byte
}

// SplitData returns the module without its data and data count sections, and the data segments that
// it had, in order. An instance of the returned module does not write its memory at instantiation,
// so it can be created over a memory that already holds an image. Custom sections are dropped too,
// because an instance does not need them.
//
// It fails on passive segments and on offsets that are not constant, because neither can be written
// beforehand. It does not read the code: if the code names segments (memory.init, data.drop), the
// returned module is not valid, because these instructions need a data count section, and no engine
// compiles it.
func SplitData(module []byte) (withoutData []byte, segments []Segment, err error) {
	m, err := Parse(module)
	if err != nil {
		return nil, nil, err
	}
	var kept []Section
	for _, s := range m.Sections {
		switch s.ID {
		case SectionCustom, SectionDataCount:
		case SectionData:
			err := s.each(func(r *Reader) error {
				segment, err := r.segment()
				segments = append(segments, segment)
				return err
			})
			if err != nil {
				return nil, nil, fmt.Errorf("section %d: %w", s.ID, err)
			}
		default:
			kept = append(kept, s)
		}
	}
	return Join(kept), segments, nil
}

// The kinds of data segments.
const (
	segmentActive       = 0
	segmentActiveMemory = 2
)

func (r *Reader) segment() (Segment, error) {
	start := r.Offset()
	flags, err := r.Uint32()
	if err != nil {
		return Segment{}, err
	}
	switch flags {
	case segmentActive:
	case segmentActiveMemory:
		memory, err := r.Uint32()
		if err != nil {
			return Segment{}, err
		}
		if memory != 0 {
			return Segment{}, formatErrorf(start, "data segment for memory %d, only 0 is known", memory)
		}
	default:
		return Segment{}, formatErrorf(start, "data segment with flags %d, only active ones are supported", flags)
	}
	offset, err := r.Instr()
	if err != nil {
		return Segment{}, err
	}
	end, err := r.Instr()
	if err != nil {
		return Segment{}, err
	}
	if offset.Op != OpI32Const || end.Op != OpEnd {
		return Segment{}, formatErrorf(offset.Offset, "data segment whose offset is not one i32.const")
	}
	n, err := r.Uint32()
	if err != nil {
		return Segment{}, err
	}
	b, err := r.Bytes(n)
	return Segment{Offset: offset.Index, Bytes: b}, err
}

// eachInstr calls look for every instruction of every function.
func (m *Module) eachInstr(look func(Instr) error) error {
	for i, code := range m.Codes {
		r := code.Reader()
		_, _, err := r.Locals()
		for err == nil && r.Len() > 0 {
			var in Instr
			if in, err = r.Instr(); err == nil {
				err = look(in)
			}
		}
		if err != nil {
			return fmt.Errorf("function %d: %w", m.ImportedFuncs+i, err)
		}
	}
	return nil
}
