// Package serverfile owns the syntax of the file with the settings of a server: TOML, with one key for
// each flag of `fas serve`.
//
// It refuses to know which settings there are, and what they mean.
package serverfile
