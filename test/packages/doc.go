// Package packages deploys packages of PyPI as a user does and compares what they do in functions with
// native CPython 3.13.
//
// Each program in the folder programs has the name of a package. The test deploys it with "fas deploy"
// and a requirements.txt that names the package, runs it on a server, and runs the same file by native
// CPython with the same wheels. A program defines main(args, context), which returns the same value each
// time. A line "# needs native code: PACKAGE" says that the deployment is refused because of that package.
//
// packages.txt has the versions and hashes of the wheels that the packages of names.txt need, which CI
// runs, and packages-more.txt those of names-more.txt, which "make test-packages" runs as well. fetch.sh
// downloads them to .cache/packages once.
// docs/packages.md and the table of "fas packages" are written by the test.
//
//	make test-packages    # run all programs, and write the tables
package packages
