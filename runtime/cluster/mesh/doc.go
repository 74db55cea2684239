// Package mesh connects the nodes of a cluster: it asks nodes for their status, forwards requests of clients to the node that
// owns the data, and has links on which nodes exchange messages. Requests and answers are forwarded while they arrive. A node
// that lacks data gets a copy of another node's.
//
// With a key, nodes prove to each other that they have it. The package refuses to know what clients and messages say.
package mesh
