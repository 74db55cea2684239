package wasmbin

// The opcodes that users of this package search for or write. The decoder knows all others only by
// their immediates.
const (
	OpUnreachable   = 0x00
	OpBlock         = 0x02
	OpLoop          = 0x03
	OpIf            = 0x04
	OpElse          = 0x05
	OpEnd           = 0x0b
	OpBr            = 0x0c
	OpBrIf          = 0x0d
	OpBrTable       = 0x0e
	OpReturn        = 0x0f
	OpCall          = 0x10
	OpCallIndirect  = 0x11
	OpSelectTyped   = 0x1c
	OpLocalGet      = 0x20
	OpLocalSet      = 0x21
	OpLocalTee      = 0x22
	OpGlobalGet     = 0x23
	OpGlobalSet     = 0x24
	OpTableGet      = 0x25
	OpTableSet      = 0x26
	OpI32Load       = 0x28
	OpI64Load       = 0x29
	OpI32Load8U     = 0x2d
	OpI32Store      = 0x36
	OpI64Store      = 0x37
	OpI32Store8     = 0x3a
	OpMemorySize    = 0x3f
	OpMemoryGrow    = 0x40
	OpI32Const      = 0x41
	OpI64Const      = 0x42
	OpF32Const      = 0x43
	OpF64Const      = 0x44
	OpI32Eqz        = 0x45
	OpI32Eq         = 0x46
	OpI32LtS        = 0x48
	OpI32LtU        = 0x49
	OpI32GtU        = 0x4b
	OpI32LeU        = 0x4d
	OpI32GeU        = 0x4f
	OpI64GtU        = 0x56
	OpI32Add        = 0x6a
	OpI32Sub        = 0x6b
	OpI32And        = 0x71
	OpI32Or         = 0x72
	OpI32ShrU       = 0x76
	OpI64Add        = 0x7c
	OpI64Mul        = 0x7e
	OpI64Shl        = 0x86
	OpI32WrapI64    = 0xa7
	OpI64ExtendI32U = 0xad
	OpRefNull       = 0xd0
	OpRefIsNull     = 0xd1
	OpRefFunc       = 0xd2
	OpMiscPrefix    = 0xfc
	OpVecPrefix     = 0xfd
)

// The second opcodes after OpMiscPrefix.
const (
	MiscMemoryInit = 8
	MiscDataDrop   = 9
	MiscMemoryCopy = 10
	MiscMemoryFill = 11
	MiscTableInit  = 12
	MiscElemDrop   = 13
	MiscTableCopy  = 14
	MiscTableGrow  = 15
	MiscTableSize  = 16
	MiscTableFill  = 17
)

// Value types, and the type of blocks that neither take nor leave values.
const (
	TypeI32       = 0x7f
	TypeI64       = 0x7e
	TypeF32       = 0x7d
	TypeF64       = 0x7c
	TypeV128      = 0x7b
	TypeFuncref   = 0x70
	TypeExternref = 0x6f
	TypeEmpty     = 0x40
	// FormFunc starts a function type.
	FormFunc = 0x60
)

// Instr is one decoded instruction. Of its immediates only an index is stored.
type Instr struct {
	// Op is the first byte.
	Op byte
	// Sub is the second opcode if Op is OpMiscPrefix or OpVecPrefix.
	Sub uint32
	// Index is the first index among the immediates (function, type, local, global, table, segment,
	// label), or the value of an i32.const.
	Index uint32
	// Offset is the position in the module where the instruction starts, in bytes.
	Offset int
}

// Instr reads the next instruction. It accepts the instructions of the core specification 2.0 and
// refuses all others.
func (r *Reader) Instr() (Instr, error) {
	in := Instr{Offset: r.Offset()}
	var err error
	if in.Op, err = r.Byte(); err != nil {
		return in, err
	}
	switch op := in.Op; {
	case op <= 0x01, op == OpElse, op == OpEnd, op == OpReturn, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == OpRefIsNull:
	case op == OpBlock, op == OpLoop, op == OpIf:
		err = r.blockType()
	case op == OpBr, op == OpBrIf, op == OpCall, op >= OpLocalGet && op <= OpTableSet, op == OpRefFunc:
		in.Index, err = r.Uint32()
	case op == OpBrTable:
		err = r.branchTable()
	case op == OpCallIndirect:
		if in.Index, err = r.Uint32(); err == nil {
			_, err = r.Uint32()
		}
	case op == OpSelectTyped:
		err = r.valueTypes()
	case op >= 0x28 && op <= 0x3e:
		err = r.memArg()
	case op == OpMemorySize, op == OpMemoryGrow:
		err = r.zeroByte()
	case op == OpI32Const:
		var v int32
		v, err = r.Int32()
		in.Index = uint32(v)
	case op == OpI64Const:
		_, err = r.signed(64)
	case op == OpF32Const:
		_, err = r.Bytes(4)
	case op == OpF64Const:
		_, err = r.Bytes(8)
	case op == OpRefNull:
		var t byte
		if t, err = r.Byte(); err == nil && t != TypeFuncref && t != TypeExternref {
			err = formatErrorf(in.Offset, "unknown reference type 0x%02x", t)
		}
	case op == OpMiscPrefix:
		err = r.misc(&in)
	case op == OpVecPrefix:
		err = r.vector(&in)
	default:
		err = formatErrorf(in.Offset, "unknown opcode 0x%02x", op)
	}
	return in, err
}

func (r *Reader) misc(in *Instr) (err error) {
	if in.Sub, err = r.Uint32(); err != nil {
		return err
	}
	switch in.Sub {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		return nil
	case MiscMemoryCopy:
		if err = r.zeroByte(); err != nil {
			return err
		}
		return r.zeroByte()
	case MiscMemoryFill:
		return r.zeroByte()
	case MiscMemoryInit:
		if in.Index, err = r.Uint32(); err != nil {
			return err
		}
		return r.zeroByte()
	case MiscTableInit, MiscTableCopy:
		if in.Index, err = r.Uint32(); err != nil {
			return err
		}
		_, err = r.Uint32()
		return err
	case MiscDataDrop, MiscElemDrop, MiscTableGrow, MiscTableSize, MiscTableFill:
		in.Index, err = r.Uint32()
		return err
	}
	return formatErrorf(in.Offset, "unknown opcode 0x%02x %d", in.Op, in.Sub)
}

// vectorGaps are the second opcodes up to 255 that are not assigned to vector instructions.
var vectorGaps = [...]byte{
	0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee,
}

func (r *Reader) vector(in *Instr) (err error) {
	start := r.pos
	if in.Sub, err = r.Uint32(); err != nil {
		return err
	}
	// wazero reads the second opcode as one byte, and the byte after one of 128 and above as a nop,
	// which is correct only for the shortest encoding. Any other encoding would be read differently
	// here and there.
	if wide := in.Sub > 0x7f; in.Sub > 0xff || (r.pos-start == 2) != wide {
		return formatErrorf(in.Offset, "unknown opcode 0x%02x %d in %d bytes", in.Op, in.Sub, r.pos-start)
	}
	switch s := in.Sub; {
	case s <= 11, s == 92, s == 93:
		return r.memArg()
	case s == 12, s == 13:
		_, err = r.Bytes(16)
		return err
	case s >= 21 && s <= 34:
		_, err = r.Byte()
		return err
	case s >= 84 && s <= 91:
		if err = r.memArg(); err != nil {
			return err
		}
		_, err = r.Byte()
		return err
	}
	for _, gap := range vectorGaps {
		if in.Sub == uint32(gap) {
			return formatErrorf(in.Offset, "unknown opcode 0x%02x %d", in.Op, in.Sub)
		}
	}
	return nil
}

func (r *Reader) blockType() error {
	start := r.Offset()
	v, err := r.signed(33)
	if err != nil || v >= 0 {
		return err
	}
	if v < -64 || (byte(v&0x7f) != TypeEmpty && !isValueType(byte(v&0x7f))) {
		return formatErrorf(start, "unknown block type %d", v)
	}
	return nil
}

func (r *Reader) branchTable() error {
	n, err := r.count()
	if err != nil {
		return err
	}
	for range n + 1 {
		if _, err = r.Uint32(); err != nil {
			return err
		}
	}
	return nil
}

// memArg reads alignment and offset. An alignment of 64 or more would announce a memory index,
// which a module with one memory does not need.
func (r *Reader) memArg() error {
	start := r.Offset()
	align, err := r.Uint32()
	if err != nil {
		return err
	}
	if align > 4 {
		return formatErrorf(start, "unknown alignment or memory flags %d", align)
	}
	_, err = r.Uint32()
	return err
}

// zeroByte reads the byte at the position of a memory index, which must be 0.
func (r *Reader) zeroByte() error {
	start := r.Offset()
	b, err := r.Byte()
	if err == nil && b != 0 {
		err = formatErrorf(start, "memory index 0x%02x, only 0 is known", b)
	}
	return err
}

func isValueType(t byte) bool {
	return t >= TypeV128 && t <= TypeI32 || t == TypeFuncref || t == TypeExternref
}

func (r *Reader) valueType() (byte, error) {
	start := r.Offset()
	t, err := r.Byte()
	if err == nil && !isValueType(t) {
		err = formatErrorf(start, "unknown value type 0x%02x", t)
	}
	return t, err
}

func (r *Reader) valueTypes() error {
	n, err := r.count()
	for i := 0; err == nil && i < n; i++ {
		_, err = r.valueType()
	}
	return err
}
