// Package secretfile reads files with the secrets of a function: .env lines, TOML or JSON.
//
// It refuses to know where the secrets go. No error quotes a value.
//
// All functions may be called concurrently.
package secretfile
