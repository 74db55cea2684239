// Package lend is the protocol by which nodes of a cluster lend places for runs to the owner of the data. A [Borrower] is the
// owner's side, a [Server] that of a node that lends. They exchange messages on one connection.
//
// The owner asks each node for a grant once a second: how many runs, and how many bytes, it may have on that node at once. A grant
// is valid for a few seconds from when the owner has asked. The owner sends runs and cancellations; the node sends output while
// it is written, and ends. The owner acknowledges an end when it has recorded it.
//
// A run belongs to an attempt of an execution, and not to a connection. A node that has lost the connection to the owner
// goes on to run what it has begun, and keeps the ends, for a while. It offers them to the next connection of an owner,
// which is the same one or the one that has replaced it. What that owner does not take is cancelled. An owner of an older
// epoch than one that the node knows is refused.
//
// The package refuses to know what runs do, where they are recorded, and how nodes are reached.
package lend
