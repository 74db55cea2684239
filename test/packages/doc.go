// Package packages deploys packages of PyPI as a user does and compares what they do in functions with
// native CPython 3.13.
//
// Each program in the folder programs has the name of a package. The test deploys it with "fas deploy"
// and a requirements.txt that names the package, runs it on a server, and runs the same file by native
// CPython with the same wheels. A program defines main(args, context), which returns the same value each
// time. A line "# needs native code: PACKAGE" says that the deployment is refused because of that package.
//
// packages.txt has the versions and hashes of the wheels that the packages of names.txt need, which CI
// runs, and packages-more.txt those of names-more.txt, which "make test-packages" runs as well.
// top300.txt has those of the 300 most downloaded packages, and top300-needs.txt those of their
// dependencies. Each of the 300 is deployed in a function that imports the package's modules; top300.tsv
// records what becomes of it. lock.sh and lock_top.py write the lists, and fetch.sh downloads the wheels to
// .cache/packages once.
//
// docs/packages.md and the table of "fas packages" are written by the tests.
//
//	make test-packages    # run all programs, import the 300, and write the tables
package packages
