// Package network runs clients of PyPI, unmodified, in functions against servers of Debian: Redis and
// PostgreSQL.
//
// The test starts the servers on the loopback interface, in folders of its own. packages.txt has the
// versions and hashes of the clients' wheels, which ../packages/fetch.sh downloads to .cache/network
// once.
package network
