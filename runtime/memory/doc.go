// Package memory accounts for the bytes that the server holds for others.
//
// A [Budget] is a number of bytes. Everything that grows with what clients and functions send
// takes its bytes from an [Account] of the Budget before it holds them, and gives them back
// afterwards: reserved runs, images of functions, idle instances, bodies of requests, queued runs,
// results, answers that wait for slow readers. What does not fit waits or is refused, so the sum
// never exceeds the Budget, except for bytes that are added unconditionally ([Account.Add]) because
// they already exist and are bounded elsewhere.
//
// Accounts differ in what they may take. A small part of the Budget, [Budget.Reserve], is left to
// the accounts of requests, so that a server whose memory is full of runs still answers. A take of
// more than [SmallTake] bytes leaves half of the reserve free for smaller ones. While runs wait for
// memory, accounts that yield get only what those runs do not want, so that they cannot keep runs
// out. Bytes of accounts with
// a Reclaim function are a cache: when somebody else needs them, they are given up.
//
// [Budget.Govern] keeps Go's own memory within its share: it sets Go's memory limit to what the
// accounts on Go's heap hold plus [Overhead], and returns freed memory to the system. So the
// resident memory of the process stays within the Budget plus Overhead.
package memory
