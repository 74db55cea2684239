package pyguest

// Protocol is the version of the protocol that this host speaks. It is kept in
// guest/protocol.h too, which a test compares; the guest tells its own by the
// export faas_protocol. See PROTOCOL.md.
const Protocol = 3

// ImportModule is the module that the guest imports its host functions from,
// besides WASI.
const ImportModule = "faas"

// Operations of faas.call.
const (
	OpName    = 1 // guest reads the function's name
	OpSource  = 2 // guest reads the function's source
	OpCode    = 3 // guest reads the function's code, as faas_compile gave it
	OpArgs    = 4 // guest reads the run's args, JSON
	OpContext = 5 // guest reads the function's context, JSON
	OpResult  = 6 // guest gives the result: JSON, or code
	OpFailure = 7 // guest gives the failure, JSON
)

// Algorithms of faas.hash.
const (
	HashMD5    = 1
	HashSHA1   = 2
	HashSHA256 = 3 // and SHA-224
	HashSHA512 = 4 // and SHA-384
)

// Failure is what the guest gives with OpFailure, as JSON.
type Failure struct {
	Class     string `json:"class"` // a runtime.Class
	Type      string `json:"type"`  // of the exception
	Message   string `json:"message"`
	Traceback string `json:"traceback"`
	Line      int    `json:"line"`
	ExitCode  int    `json:"exit_code"`
}
