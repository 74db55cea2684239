// Package egress owns the decision which addresses the server connects to on behalf of its
// tenants, and how: it implements [runtime.Poster] over net/http, and [runtime.Networks] for the
// connections of runs.
//
// No tenant may use the server to reach what only the server can reach. Addresses outside of
// the public internet (loopback, private, link-local, carrier-grade NAT, multicast, translated,
// documentation) and the addresses of the machine itself are denied unless the operator's allow
// list contains them. The check applies to the address of each dial, after the name was
// resolved: a name that resolves to another address a moment later gains nothing. The denied
// networks are those of the IANA special-purpose registries, as package code.dny.dev/ssrf has
// them.
//
// A [Poster] follows no redirects, ignores the proxies of the environment and all cookies, uses
// no connection twice, and returns nothing of a response but its status. It may be used
// concurrently.
//
// The package refuses to know what a request means, and whether to retry it: package callback
// decides that.
package egress
