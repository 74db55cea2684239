package sandbox

// held counts the pages that were copied from the image and those that were written. Where the
// kernel has reported no page fault since the last scan, it is not asked again.
func (m *mappedMemory) held() int64 {
	if len(m.shared) > 0 || m.loaded == nil {
		return int64(m.size) // written pages are not known
	}
	bytes := int64(len(m.loaded.data)) + int64(m.kept)*pageSize
	if err := m.dirty(func(start, end int) { bytes += int64(end - start) }); err != nil {
		return int64(m.size)
	}
	return min(bytes, int64(m.size))
}
