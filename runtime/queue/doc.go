// Package queue decides whose turn it is. [Fair] orders items of any type so that tenants
// take turns; [Admission] lets runs start while there is memory for them and uses a Fair
// for the runs that have to wait.
//
// It does not know what a run does, and it starts no goroutine. A Fair is not safe for
// concurrent use; all methods of an Admission are.
package queue
