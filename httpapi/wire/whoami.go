package wire

// Whoami is what the token of a request is and permits.
type Whoami struct {
	User      string   `json:"user"`      // name of the token; admin: the server's own
	Token     *string  `json:"token"`     // its id; null: the server's own
	Tenant    *string  `json:"tenant"`    // null: it has none
	Scope     *string  `json:"scope"`     // in its tenant; null: none
	Operator  bool     `json:"operator"`  // whether it has the scope operator
	Functions []string `json:"functions"` // the only ones that it may run; empty: it is not limited
}
