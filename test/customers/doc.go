// Package customers puts a load on servers that are killed, stopped and cut off, and checks that nothing that they ever
// answered becomes untrue.
//
// A [Load] is a group of customers. Each sends one request after the other: it submits runs one by one and in bulk, with and
// without keys, waits for runs, starts jobs, cancels, changes its own function, reads, follows logs. A ledger has what the
// answers have promised, and each later answer is compared with it.
package customers
