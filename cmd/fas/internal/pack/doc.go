// Package pack owns the way from a folder to a bundle: which files of the folder are in it, the
// packages that the folder depends on, and the zip; or a zip that the user has made. The packages are installed by the user's own uv or
// pip, for CPython 3.13 on Linux, without their extension modules: a function runs the Python code that
// such packages have beside them.
//
// The same files give the same zip, byte for byte.
//
// It refuses to know where a bundle is sent, and what terminals are.
//
//	b, err := pack.Folder(ctx, pack.Options{Dir: "app"})
//	defer b.Close()
//	... b.File, b.Size ...
package pack
