// Package clients drives a server process with the clients that the vendors of its three APIs
// publish, in pinned versions: Blaxel's for TypeScript and Python, Palantir's transport packages for
// TypeScript and its Python SDK, and FaaSpot's last client.
//
// install.sh fetches the packages. Their versions and hashes are in testdata/node and
// testdata/python, beside the scripts that call them. No package of a vendor is part of this
// repository. `make test-clients` runs the tests; `make test` does not.
package clients
