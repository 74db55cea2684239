package wire

// ConsoleTicket is a ticket that begins one session of the console.
type ConsoleTicket struct {
	Ticket  string `json:"ticket"`
	Path    string `json:"path"` // of the console, with the ticket
	Expires string `json:"expires"`
}

// ConsoleKey answers a request that began a session of the console. Key is what requests of the console
// send beside their cookie.
type ConsoleKey struct {
	Key     string `json:"key"`
	Expires string `json:"expires"`
}

// ConsoleSession is who sends a request, and what it may do.
type ConsoleSession struct {
	Whoami
	Version string  `json:"version"` // of the server
	Expires *string `json:"expires"` // of the session; null: the request belongs to none
}
