package wasmbin

import "fmt"

// ImmutableTables returns an error if an instance of the module could change a table after its
// instantiation: if code contains table.set, table.grow, table.fill, table.copy or table.init, or
// if a table is imported or exported, so that other code could write it.
func ImmutableTables(module []byte) error {
	m, err := Parse(module)
	if err != nil {
		return err
	}
	for _, im := range m.Imports {
		if im.Kind == KindTable {
			return fmt.Errorf("wasm: the table %s.%s is imported", im.Module, im.Name)
		}
	}
	for _, e := range m.Exports {
		if e.Kind == KindTable {
			return fmt.Errorf("wasm: table %d is exported as %q", e.Index, e.Name)
		}
	}
	return m.eachInstr(func(in Instr) error {
		if in.WritesTable() {
			return formatErrorf(in.Offset, "opcode 0x%02x %d writes a table", in.Op, in.Sub)
		}
		return nil
	})
}

// WritesTable reports whether the instruction changes a table.
func (in Instr) WritesTable() bool {
	if in.Op == OpTableSet {
		return true
	}
	if in.Op != OpMiscPrefix {
		return false
	}
	switch in.Sub {
	case MiscTableInit, MiscTableCopy, MiscTableGrow, MiscTableFill:
		return true
	}
	return false
}
