package wire

// AuditEntry is a change that a request or a command has made, or that a request was not permitted to make.
type AuditEntry[T any] struct {
	ID        string     `json:"id"`
	Time      T          `json:"time"`
	Tenant    *string    `json:"tenant"` // of what has changed; null: the server
	Operation string     `json:"operation"`
	Outcome   string     `json:"outcome"` // done, refused or unknown
	Kind      string     `json:"kind"`    // of the thing that has changed
	Name      *string    `json:"name"`
	NewName   *string    `json:"new_name"` // null: it was not renamed
	Thing     *string    `json:"thing"`    // its id
	Fields    []string   `json:"fields"`   // names of what was set
	Count     int        `json:"count"`    // number of things
	By        AuditActor `json:"by"`
	Remote    *string    `json:"remote"` // address and port; null: not shown, or a command
}

// AuditActor is the sender of a request, or a command.
type AuditActor struct {
	User   string  `json:"user"`   // name of the token, or the command, such as "fas secrets rotate"
	Token  *string `json:"token"`  // id; null: the server's own, or a command
	Tenant *string `json:"tenant"` // null: the server
}
