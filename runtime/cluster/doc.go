// Package cluster decides which node of a cluster owns a shard: the node that writes to the replicated log
// of the shard, while all others follow it.
//
// The log fences, not time: an owner writes records of its epoch only, and the log refuses them once another
// node has begun the next epoch. Clocks, announcements and answers of other nodes decide when a node tries
// to become the owner, and for how long an owner may answer reads; a wrong guess costs a change of owner,
// and no record.
//
// The package refuses to know what a record says, and how nodes, the log and the bus are reached: see
// [Replica], [Bus] and [Options.Ask].
package cluster
