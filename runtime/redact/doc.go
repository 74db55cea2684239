// Package redact keeps secrets that the server holds out of its own log, by their values.
//
// A [Registry] knows the secrets, and the [NewHandler] of a log replaces them in what is logged. The
// registry has hashes of the secrets and no copies of them.
//
// It refuses to know what the secrets are for. Secrets shorter than [MinSecret] bytes are not hidden:
// they are parts of ordinary words.
//
// All functions and methods may be called concurrently.
package redact
