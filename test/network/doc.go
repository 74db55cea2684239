// Package network runs clients, unmodified, in functions against real servers: those of the standard
// library and of PyPI, against servers of Debian, of PyPI and of Go.
//
// The test starts the servers on the loopback interface, in folders of its own, one Go file for each
// kind. Each program in the folder programs is the main.py of a function; its first line names the wheels
// that it needs. It finds the servers in a module, servers, that the test adds to its bundle: their ports,
// as servers.redis, and the paths of servers.ca, servers.certificate and servers.key. It defines
// main(args, context), which returns the same value each time; args["tls"] says whether to use TLS. The
// folder expected has what the programs return in native CPython 3.13 with the same wheels and servers.
//
// packages.txt has the versions and hashes of the clients' wheels, which ../packages/fetch.sh downloads to
// .cache/network once, and ../packages/lock.sh writes from names.txt. servers.txt has those of the
// servers of PyPI, which run in the machine's Python.
//
//	make test-network    # run the programs in native CPython too, and write the expected values
package network
