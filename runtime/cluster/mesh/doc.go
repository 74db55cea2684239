// Package mesh connects the nodes of a cluster: it asks nodes for their status, and leads the connections of
// clients to the node that owns the data, byte for byte and both ways. So a stream, an upload and an
// encrypted connection are what they are without it, and a request is read by one server alone. A node that lacks data
// gets a copy of another node's.
//
// With a key, nodes prove to each other that they have it. The package refuses to know what clients send.
package mesh
