// Package backup owns the format of backups: a tar archive of the files of a store that [Writer] writes
// and [Read] reads.
//
// It refuses to know what the files hold, and where they come from.
//
// # Format
//
// An archive has, in this order:
//
//	faaspot-backup.json  the format of the archive, the release that wrote it and the time
//	store/NAME           the files of the store, sorted by name
//	SHA256SUMS           the SHA-256 of each file above, as sha256sum(1) writes and checks it
//
// An archive without a complete SHA256SUMS at its end was cut short.
package backup
