package wasmbin

// Globals returns the mutable globals of a module, in the order of their indices, with the names
// under which they are exported. Together with the memory and the tables they are all the state
// that an instance has between two calls.
func Globals(module []byte) ([]Global, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	var mutable []Global
	for _, g := range m.Globals {
		if g.Mutable {
			mutable = append(mutable, g)
		}
	}
	return mutable, nil
}
