// Package corpus compares functions with native CPython: the programs in the folder programs run on
// a server, and each value they return and each exception they raise is compared with what native
// CPython 3.13 made of the same source, which is stored in the folder expected.
//
// Values that differ are listed in differences.json, with the reason. docs/python-differences.md is
// generated from it.
//
//	make corpus-expected    # run the programs by native CPython and store what they return
//
// A program defines main(args, context). A line "# args: {...}" in it holds the args of its run;
// the context is empty. A program must return the same value in each run, or raise if its name
// begins with fail_.
package corpus
