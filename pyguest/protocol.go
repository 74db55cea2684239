package pyguest

// Protocol is the version of the protocol that this host speaks. guest/protocol.h has the same
// number, which a test compares; the guest reports its own with the export faas_protocol. See
// PROTOCOL.md.
const Protocol = 4

// ImportModule is the module from which the guest imports its host functions, besides WASI.
const ImportModule = "faas"

// Operations of faas.call.
const (
	OpName    = 1 // guest reads the function's name
	OpSource  = 2 // guest reads the function's source
	OpCode    = 3 // guest reads the function's code, the result of faas_compile
	OpArgs    = 4 // guest reads the run's args, JSON
	OpContext = 5 // guest reads the function's context, JSON
	OpResult  = 6 // guest sends the result: JSON, or code
	OpFailure = 7 // guest sends the failure, JSON
	OpWait    = 8 // guest sends the events that the run waits for, as subscriptions of poll_oneoff
)

const (
	// Resume is what faas_run gets in place of the length of the args to continue the run that waits.
	Resume = -1
	// Waits is what faas_run returns if the run waits for what it has sent with OpWait.
	Waits = 1
)

// Algorithms of faas.hash.
const (
	HashMD5    = 1
	HashSHA1   = 2
	HashSHA256 = 3 // and SHA-224
	HashSHA512 = 4 // and SHA-384
)

// Failure is the JSON that the guest sends with OpFailure.
type Failure struct {
	Class     string `json:"class"` // a runtime.Class
	Type      string `json:"type"`  // of the exception
	Message   string `json:"message"`
	Advises   bool   `json:"advises"` // the message says what to do
	Traceback string `json:"traceback"`
	Line      int    `json:"line"`
	ExitCode  int    `json:"exit_code"`
}
