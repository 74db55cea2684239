// Package keys owns the layout of the store's keys: it builds and reads all of them, and the ids of
// executions in them.
//
// It refuses to know the values behind the keys, and when they are read or written.
//
// Its functions have no state and may be called concurrently.
//
// # Layout
//
// A text is escaped so that it sorts as its bytes do and has an end of its own (0x00 becomes 0x00
// 0xFF, the end is 0x00 0x01). A number is 8 bytes, big endian. T is text(tenant). X is the 16
// bytes of an execution's id, a UUIDv7 (RFC 9562), which sorts by its time. F is text(name) of the
// execution's function at that time, K the text(id) of that function, end a time in nanoseconds
// since 1970, and S its terminal state as a byte. J is text(id) of a job,
// and E the 16 bytes of the id of a job's execution, a UUIDv7, too. O is a kind and the text(id) of
// a function or of a job, or a kind and no text for the whole tenant. H is the 32 bytes of the id of
// a bundle, a hash. V is a field and its
// text(value). start is the start in nanoseconds since 1970.
//
//	key                                     value
//	'm' "format"                            format of this table (formatVersion), as a number
//	's' text(name)                          bytes of a setting
//	'u' 'w' T                               tenant: its time, limits and egress, and whether it is being deleted
//	'u' 'k' text(id)                        token: its tenant, name, scope, hashes, times
//	'u' 'a' X                               entry of the audit log; X is its own id
//	'u' 'b' T X                             size of that entry in bytes; finds it by its tenant
//	't' T 'n' text(name)                    id of the function with this name
//	't' T 'f' text(id)                      function: its name, current version, times
//	't' T 'v' text(id) number               version: limits, retries, times, sizes of the next two
//	't' T 's' text(id) number               source of that version
//	't' T 'c' text(id) number               context of that version; absent if it has none
//	't' T 'C' H                             bundle: its size in bytes as a number, 0 while its chunks are written
//	't' T 'A' H number                      chunk of a bundle, and from 2^32 on, of its bytecode
//	't' T 'O' H                             bytecode of a bundle: its build, checksum and size, 0 while its chunks are written
//	't' T 'U' H text(id) number             nothing; the version uses the bundle
//	't' T 'a' X                             execution that is queued or runs, as it was accepted
//	't' T 'g' X                             its args, if they are larger than record.InlineSize; if they are kept, also when it is done; see record.Pack
//	't' T 'b' X                             its lease, if it runs
//	't' T 'w' X                             its attempts so far, if it is queued again
//	't' T 'o' X                             logs of its latest attempt, if it wrote any
//	't' T 'u' F X                           nothing; finds it by its function
//	't' T 'x' X                             execution that is done
//	't' T 'r' X                             its result, if it is larger than record.InlineSize; see record.Pack
//	't' T 'l' X                             its logs, if they are larger than record.InlineSize
//	't' T 'j' S X                           nothing; finds it by its state
//	't' T 'k' F S X                         nothing; finds it by its function and state
//	't' T 'q' K end X                       executions of K that are done, the first of which is X and the last ended then
//	't' T 'p' E K X                         tasks of E that are done and ran K, the first of which is X
//	't' T 'y' number text(key)              ids stored under an idempotency key on a day (since 1970)
//	't' T 'V' X                             operation over many executions; X is its own id
//	't' T 'N' text(name)                    id of the job with this name
//	't' T 'J' J                             job: its names, labels, current revision, times, users
//	't' T 'R' J number                      revision: spec, time, user
//	't' T 'Q' J                             number of stored executions of the job
//	't' T 'T' J text(trigger)               last tick of the trigger that has started an execution
//	't' T 'E' E                             job's execution that is not done, as it was accepted
//	't' T 'P' E                             its progress, once there is any: start, counts of tasks, whether to cancel
//	't' T 'H' J E                           its name, or nothing if that is its id; finds it by its job
//	't' T 'D' E                             job's execution that is done
//	't' T 'I' J E                           its name, or nothing if that is its id; finds it by its job
//	't' T 'M' J text(name)                  E, of an execution, done or not, with a name that is not its id
//	't' T 'Y' E                             delivery: the callback of the execution, and its attempts so far
//	't' T 'Z' E                             dead letter: a delivery that was given up
//	't' T 'B' E                             body of a delivery or dead letter, once it is rendered
//	't' T 'i' O V start X                   postings: executions with V, the first of which is X and started then
package keys
