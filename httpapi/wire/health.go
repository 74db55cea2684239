package wire

// Health answers the health endpoints.
type Health struct {
	Status  string `json:"status"`            // ok or ready
	Version string `json:"version,omitempty"` // of the server
}
