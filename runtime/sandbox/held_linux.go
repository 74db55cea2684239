package sandbox

// held counts the pages to which the image was applied and those that were written. Where the kernel
// has reported no page fault since the last scan, it is not asked again.
func (m *mappedMemory) held() int64 {
	if m.loaded == nil {
		return int64(m.size) // written pages are not known
	}
	pages := m.present(m.loaded)
	if !m.writtenKnown {
		if err := m.dirty(func(start, end int) { pages += (end - start) / pageSize }); err != nil {
			return int64(m.size)
		}
	}
	return min(int64(pages)*pageSize, int64(m.size))
}

// present returns the number of pages that the memory has with an image, or more, as far as they are
// known.
func (m *mappedMemory) present(img *image) int {
	pages := m.kept + len(img.pages) + len(m.touched)
	if m.writtenKnown {
		for _, w := range m.written {
			pages += w.len() / pageSize
		}
	}
	return min(pages, m.size/pageSize)
}
