// Package process runs the faaspot server as a process of its own, for the tests below test/.
//
// It owns the binary under test, the compiled guest that all servers share, the data folders
// ([Site]), the server processes on them ([Server]), and a client that reports every answer
// unchanged ([Client]). It refuses to know what any test asserts.
//
// The binary is the one that FAS_BINARY names. Without that variable it is built from this source
// tree, with the flags of `make build`. Its compiled guest is stored in .cache/test, in a folder
// that is named after the SHA-256 of the binary: all test processes of one `go test ./...` share
// it, and a changed binary never finds the guest of another.
//
// Everything here may be used by parallel tests; a Site and its servers belong to one test.
//
//	func TestMain(m *testing.M) { process.Main(m) }
//
//	func TestEcho(t *testing.T) {
//		server := process.NewSite(t).Serve(t)
//		server.Deploy(t, "echo", process.EchoCode)
//		server.WaitEnd(t, server.Submit(t, "echo", `{"n":3}`))
//	}
package process
