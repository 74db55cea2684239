package wire

// Disk is the state of the disk of the data folder. Sizes are in bytes.
type Disk struct {
	Free      uint64  `json:"free"`
	Total     uint64  `json:"total"`
	Floor     uint64  `json:"floor"`   // what must be free for new work
	Ballast   int64   `json:"ballast"` // held back for a full disk; 0: given up, or there is none
	Accepting bool    `json:"accepting"`
	Problem   *string `json:"problem"` // why new work is refused; null: it is not
}
