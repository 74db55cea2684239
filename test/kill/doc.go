// Package kill kills the server under load and checks that nothing it ever answered becomes untrue.
package kill
