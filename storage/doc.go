// Package storage owns how faaspot's nouns are kept on disk: it implements
// runtime.Store, and keeps the few settings of the server, on Pebble.
//
// It refuses to know what functions mean and who asks for them. No Pebble type
// leaves it. Tenants and ids may be any bytes, names any UTF-8: no choice of them
// reaches a record of another tenant.
//
// All methods of Store may be called concurrently; Close waits for those under
// way.
//
// # Keys
//
// Built and read in keys.go alone. A text is escaped so that it sorts as its
// bytes do and has an end of its own (0x00 becomes 0x00 0xFF, the end is 0x00
// 0x01); a number is 8 bytes, big endian.
//
//	key                                     value
//	'm' "format"                            format of this table (formatVersion), as a number
//	's' text(name)                          a setting's bytes
//	't' text(tenant) 'n' text(name)         id of the function with this name
//	't' text(tenant) 'f' text(id)           function: its name, current version, times
//	't' text(tenant) 'v' text(id) number    version: limits, times, sizes of the next two
//	't' text(tenant) 's' text(id) number    source of that version
//	't' text(tenant) 'c' text(id) number    context of that version; absent if it has none
//
// Every value begins with a byte that tells its encoding, so that one record
// can change without a migration of all. Functions and versions are JSON;
// sources, contexts, ids and settings are their own bytes.
//
// # Invariants
//
// Each write is one batch, synced before it is acknowledged. At any moment, a
// lost machine included: a name's id leads to a function with that name and
// back; a function's current version exists; a version has its source and, if
// its size is not zero, its context; no more than runtime.KeptVersions versions
// of a function exist.
//
// # When the disk fails
//
// A write that cannot be made durable ends the process (Options.Fatal): what
// the disk holds is then unknown, and a restart finds out. Below a floor of free
// space, while the store cannot keep up, and after corruption was found, new
// writes are refused with CodeUnavailable, deletions and reads go on, and
// [Store.Health] says so. A store that is damaged is refused, never wiped.
//
//	store, err := storage.Open(storage.Options{Dir: "/var/lib/faaspot/store"})
//	...
//	defer store.Close()
package storage
