// Package record owns the encodings of the store's values.
//
// Every value but an empty one begins with a byte that names its encoding, so that one record can
// change without a migration of all others: values of earlier releases are read, and replaced when
// they change. Functions and versions are JSON, and so are jobs, their revisions and executions,
// and deliveries. Sources, contexts, ids and settings are their own bytes, and so are
// args and results, unless packing makes them shorter. All other values are fields, see fieldWriter;
// their order and meaning are part of the format.
//
// It refuses to know where values are stored, and writes nothing. It decodes what only this store
// has written, but treats every value as possibly damaged: it returns an error and does not panic.
//
// Its functions have no state and may be called concurrently.
package record
