// Package clusterkill kills, stops and cuts off the processes of a cluster under load, and checks that nothing that any of
// its nodes ever answered becomes untrue.
package clusterkill
