package wire

// Memory is what a server holds for others, in bytes.
type Memory struct {
	Budget   int64          `json:"budget"`
	Used     int64          `json:"used"`
	Resident int64          `json:"resident"` // of the process; 0: unknown
	Holders  []MemoryHolder `json:"holders"`
}

// MemoryHolder is what one kind of holder holds, in bytes.
type MemoryHolder struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}
