// Package soak runs one server under hostile and normal load at the same time, round after round, and
// checks that each round leaves the server as it found it.
//
// In a round, hostile tenants do everything that package attack does, and more: programs that loop,
// grow, flood and crash, malformed HTTP, slow clients, clients that hang up, cancelled bulks, redeploys,
// bundles that are no zips, receivers and peers that do not answer, and tenants that are deleted in the
// middle of their runs. The order is random; the test prints its seed. Customers of another tenant use
// the server as intended, from another address, and every answer that they get is checked.
//
// After the round the hostile tenants are deleted. Resident memory, the memory budget, mappings, open
// files and the bytes on the disk must return to what they were after a first round, which fills caches;
// the number of goroutines must be that of an idle server at the end.
//
//	make soak-hostile SECONDS=60    # what CI runs
package soak
