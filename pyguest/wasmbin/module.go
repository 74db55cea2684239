package wasmbin

import (
	"bytes"
	"fmt"
)

// FuncType is a function signature: the types of parameters and results.
type FuncType struct {
	Params, Results []byte
}

// Equal reports whether two signatures are the same.
func (t FuncType) Equal(u FuncType) bool {
	return bytes.Equal(t.Params, u.Params) && bytes.Equal(t.Results, u.Results)
}

// ExternKind is the kind of an import or export.
type ExternKind byte

// The kinds of imports and exports.
const (
	KindFunc   ExternKind = 0
	KindTable  ExternKind = 1
	KindMemory ExternKind = 2
	KindGlobal ExternKind = 3
)

// Import is an import of a module.
type Import struct {
	Module, Name string
	Kind         ExternKind
	// Type is the type index of a function.
	Type uint32
}

// Export is an export of a module.
type Export struct {
	Name  string
	Kind  ExternKind
	Index uint32
}

// Global is a global of a module, imported or defined.
type Global struct {
	// Index counts imported globals first.
	Index   uint32
	Type    byte
	Mutable bool
	// Imported reports whether the value lives outside the instance.
	Imported bool
	// Exports are the names under which the host can reach the global.
	Exports []string
}

// Code is the body of one defined function.
type Code struct {
	// Offset is the position in the module where Body starts, in bytes.
	Offset int
	// Body holds the local declarations and the instructions. It shares memory with the module.
	Body []byte
}

// Reader returns a reader of the function body, starting at its local declarations.
func (c Code) Reader() *Reader { return NewReader(c.Body, c.Offset) }

// Module is the content of a module's sections, as far as callers of this package need it.
// Everything in it shares memory with the parsed module.
type Module struct {
	Sections []Section
	Types    []FuncType
	Imports  []Import
	// Funcs holds the type index of every function, imported ones first.
	Funcs         []uint32
	ImportedFuncs int
	Tables        int
	Memories      int
	Globals       []Global
	Exports       []Export
	// Referenced holds the indices of the functions that element segments and global initialisers
	// name: those that an indirect call can reach.
	Referenced []uint32
	Codes      []Code
}

// Parse reads a module. It refuses shared memories and everything else outside the core
// specification 2.0, but it does not validate: types and indices are not checked against each
// other.
func Parse(module []byte) (*Module, error) {
	sections, err := Sections(module)
	if err != nil {
		return nil, err
	}
	m := &Module{Sections: sections}
	for _, s := range sections {
		read := map[SectionID]func(*Reader) error{
			SectionType:     m.readType,
			SectionImport:   m.readImport,
			SectionFunction: m.readFunction,
			SectionTable:    m.readTable,
			SectionMemory:   m.readMemory,
			SectionGlobal:   m.readGlobal,
			SectionExport:   m.readExport,
			SectionElement:  m.readElement,
			SectionCode:     m.readCode,
		}[s.ID]
		if read == nil {
			continue
		}
		if err := s.each(read); err != nil {
			return nil, fmt.Errorf("section %d: %w", s.ID, err)
		}
	}
	if defined := len(m.Funcs) - m.ImportedFuncs; defined != len(m.Codes) {
		return nil, formatErrorf(0, "%d functions declared, %d bodies", defined, len(m.Codes))
	}
	for _, e := range m.Exports {
		if e.Kind == KindGlobal && uint64(e.Index) < uint64(len(m.Globals)) {
			g := &m.Globals[e.Index]
			g.Exports = append(g.Exports, e.Name)
		}
	}
	return m, nil
}

// each calls read for every element of a section that is one vector.
func (s Section) each(read func(*Reader) error) error {
	r := s.Reader()
	n, err := r.count()
	for i := 0; err == nil && i < n; i++ {
		err = read(r)
	}
	if err == nil && r.Len() != 0 {
		err = formatErrorf(r.Offset(), "%d bytes left over", r.Len())
	}
	return err
}

// Section returns the body of a section, nil if there is none.
func (m *Module) Section(id SectionID) []byte {
	for _, s := range m.Sections {
		if s.ID == id {
			return s.Body
		}
	}
	return nil
}

func (m *Module) readType(r *Reader) error {
	start := r.Offset()
	form, err := r.Byte()
	if err != nil {
		return err
	}
	if form != FormFunc {
		return formatErrorf(start, "unknown type form 0x%02x", form)
	}
	var t FuncType
	for _, list := range []*[]byte{&t.Params, &t.Results} {
		from := r.pos
		if err := r.valueTypes(); err != nil {
			return err
		}
		types := NewReader(r.data[from:r.pos], 0)
		if _, err := types.Uint32(); err != nil {
			return err
		}
		*list = types.data[types.pos:]
	}
	m.Types = append(m.Types, t)
	return nil
}

func (m *Module) readImport(r *Reader) (err error) {
	var im Import
	if im.Module, err = r.name(); err != nil {
		return err
	}
	if im.Name, err = r.name(); err != nil {
		return err
	}
	start := r.Offset()
	kind, err := r.Byte()
	if err != nil {
		return err
	}
	im.Kind = ExternKind(kind)
	switch im.Kind {
	case KindFunc:
		if im.Type, err = r.Uint32(); err != nil {
			return err
		}
		m.Funcs = append(m.Funcs, im.Type)
		m.ImportedFuncs++
	case KindTable:
		err = m.readTable(r)
	case KindMemory:
		err = m.readMemory(r)
	case KindGlobal:
		err = m.readGlobalType(r, true)
	default:
		err = formatErrorf(start, "unknown import kind 0x%02x", kind)
	}
	m.Imports = append(m.Imports, im)
	return err
}

func (m *Module) readFunction(r *Reader) error {
	t, err := r.Uint32()
	m.Funcs = append(m.Funcs, t)
	return err
}

func (m *Module) readTable(r *Reader) error {
	start := r.Offset()
	t, err := r.Byte()
	if err != nil {
		return err
	}
	if t != TypeFuncref && t != TypeExternref {
		return formatErrorf(start, "unknown table element type 0x%02x", t)
	}
	m.Tables++
	return r.limits("table")
}

func (m *Module) readMemory(r *Reader) error {
	m.Memories++
	return r.limits("memory")
}

func (r *Reader) limits(what string) error {
	start := r.Offset()
	flags, err := r.Byte()
	if err != nil {
		return err
	}
	switch flags {
	case 0, 1:
	case 2, 3:
		return formatErrorf(start, "shared %s", what)
	default:
		return formatErrorf(start, "unknown %s flags 0x%02x", what, flags)
	}
	for range int(flags) + 1 {
		if _, err = r.Uint32(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Module) readGlobalType(r *Reader, imported bool) error {
	t, err := r.valueType()
	if err != nil {
		return err
	}
	start := r.Offset()
	mutable, err := r.Byte()
	if err != nil {
		return err
	}
	if mutable > 1 {
		return formatErrorf(start, "unknown mutability 0x%02x", mutable)
	}
	m.Globals = append(m.Globals, Global{Index: uint32(len(m.Globals)), Type: t, Mutable: mutable == 1, Imported: imported})
	return nil
}

func (m *Module) readGlobal(r *Reader) error {
	if err := m.readGlobalType(r, false); err != nil {
		return err
	}
	return m.constExpr(r)
}

// constExpr reads an initialiser and records the functions that it names.
func (m *Module) constExpr(r *Reader) error {
	for {
		in, err := r.Instr()
		if err != nil {
			return err
		}
		switch in.Op {
		case OpEnd:
			return nil
		case OpRefFunc:
			m.Referenced = append(m.Referenced, in.Index)
		case OpI32Const, OpI64Const, OpF32Const, OpF64Const, OpGlobalGet, OpRefNull:
		case OpVecPrefix:
			if in.Sub != 12 {
				return formatErrorf(in.Offset, "not a constant expression")
			}
		default:
			return formatErrorf(in.Offset, "not a constant expression")
		}
	}
}

func (m *Module) readExport(r *Reader) (err error) {
	var e Export
	if e.Name, err = r.name(); err != nil {
		return err
	}
	start := r.Offset()
	kind, err := r.Byte()
	if err != nil {
		return err
	}
	if e.Kind = ExternKind(kind); e.Kind > KindGlobal {
		return formatErrorf(start, "unknown export kind 0x%02x", kind)
	}
	e.Index, err = r.Uint32()
	m.Exports = append(m.Exports, e)
	return err
}

// readElement reads an element segment. Bit 0 of its flags means passive or declarative, bit 1 that
// a table index follows (or, with bit 0, declarative), bit 2 that it has expressions instead of
// function indices.
func (m *Module) readElement(r *Reader) error {
	start := r.Offset()
	flags, err := r.Uint32()
	if err != nil {
		return err
	}
	if flags > 7 {
		return formatErrorf(start, "unknown element segment flags %d", flags)
	}
	active := flags&1 == 0
	if active && flags&2 != 0 {
		if _, err = r.Uint32(); err != nil {
			return err
		}
	}
	if active {
		if err = m.constExpr(r); err != nil {
			return err
		}
	}
	if flags&3 != 0 { // an element kind or a reference type
		if _, err = r.Byte(); err != nil {
			return err
		}
	}
	n, err := r.count()
	for i := 0; err == nil && i < n; i++ {
		if flags&4 != 0 {
			err = m.constExpr(r)
			continue
		}
		var f uint32
		f, err = r.Uint32()
		m.Referenced = append(m.Referenced, f)
	}
	return err
}

func (m *Module) readCode(r *Reader) error {
	size, err := r.Uint32()
	if err != nil {
		return err
	}
	offset := r.Offset()
	body, err := r.Bytes(size)
	m.Codes = append(m.Codes, Code{Offset: offset, Body: body})
	return err
}

// Locals reads the local declarations of a function body. It returns the number of declarations and
// the number of locals they declare, parameters not included.
func (r *Reader) Locals() (groups uint32, locals uint64, err error) {
	n, err := r.count()
	for i := 0; err == nil && i < n; i++ {
		var c uint32
		if c, err = r.Uint32(); err == nil {
			locals += uint64(c)
			_, err = r.valueType()
		}
	}
	return uint32(n), locals, err
}
