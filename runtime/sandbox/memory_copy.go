package sandbox

// copiedMemory is linear memory that asks nothing of the kernel: a plain slice
// that is copied over as a whole. It serves where mappedMemory cannot, at the
// price of copying the image for every run.
type copiedMemory struct {
	growth
	buf  []byte
	laid *image
	max  int
}

// newCopiedMemory makes memory of size bytes that can grow up to max.
func newCopiedMemory(size, max int) *copiedMemory {
	return &copiedMemory{growth: growth{size: size, limit: max}, buf: make([]byte, size), max: max}
}

// Reallocate implements experimental.LinearMemory.
func (m *copiedMemory) Reallocate(size uint64) []byte {
	if !m.grow(size, m.max) {
		return nil
	}
	if m.size > cap(m.buf) {
		// With room to spare: Python grows in small steps.
		buf := make([]byte, m.size, min(2*m.size, max(m.limit, m.size)))
		copy(buf, m.buf)
		m.buf = buf
	}
	m.buf = m.buf[:m.size]
	return m.buf
}

// Free implements experimental.LinearMemory.
func (m *copiedMemory) Free() {}

func (m *copiedMemory) data() []byte { return m.buf }

func (m *copiedMemory) lay(img *image) error {
	m.laid = img
	_, err := m.restore()
	return err
}

func (m *copiedMemory) swap(img *image) error { return m.lay(img) }

func (m *copiedMemory) restore() (int, error) {
	m.laid.base.copyTo(m.buf, 0, len(m.buf))
	m.laid.apply(m.buf)
	return len(m.buf) / pageSize, nil
}

func (m *copiedMemory) dirty(f func(start, end int)) error {
	f(0, len(m.buf))
	return nil
}

func (m *copiedMemory) watch()       {}
func (m *copiedMemory) unwatch(bool) {}

func (m *copiedMemory) close() { m.buf = nil }
