package sandbox

// copiedMemory is linear memory that needs nothing from the kernel: a plain slice that is
// overwritten as a whole. It is the fallback where mappedMemory does not work, at the cost of
// copying the image for every run.
type copiedMemory struct {
	growth
	buf    []byte
	loaded *image
	max    int
}

// newCopiedMemory returns memory of size bytes that can grow to max bytes.
func newCopiedMemory(size, max int) *copiedMemory {
	return &copiedMemory{growth: growth{size: size, limit: max}, buf: make([]byte, size), max: max}
}

// Reallocate implements experimental.LinearMemory.
func (m *copiedMemory) Reallocate(size uint64) []byte {
	if !m.grow(size, m.max) {
		return nil
	}
	if m.size > cap(m.buf) {
		// Leave room: Python grows in small steps.
		buf := make([]byte, m.size, min(2*m.size, max(m.limit, m.size)))
		copy(buf, m.buf)
		m.buf = buf
	}
	m.buf = m.buf[:m.size]
	return m.buf
}

// Free implements experimental.LinearMemory.
func (m *copiedMemory) Free() {}

func (m *copiedMemory) held() int64 { return int64(cap(m.buf)) }

func (m *copiedMemory) data() []byte { return m.buf }

func (m *copiedMemory) load(img *image, p pauser) error {
	m.loaded = img
	_, _, err := m.restore(p)
	return err
}

func (m *copiedMemory) swap(img *image, p pauser) error { return m.load(img, p) }

func (m *copiedMemory) restore(p pauser) (int, bool, error) {
	err := m.loaded.copyTo(m.buf, 0, len(m.buf), &meter{pauser: p})
	return len(m.buf) / pageSize, err == nil, err
}

// drop does nothing: load overwrites all of the memory.
func (m *copiedMemory) drop() error { return nil }

func (m *copiedMemory) surrender(int, int) error { return nil }

func (m *copiedMemory) maps() bool { return false }

func (m *copiedMemory) dirty(f func(start, end int)) error {
	f(0, len(m.buf))
	return nil
}

func (m *copiedMemory) watch()       {}
func (m *copiedMemory) unwatch(bool) {}
func (m *copiedMemory) pause()       {}
func (m *copiedMemory) resume()      {}

func (m *copiedMemory) close() { m.buf = nil }
