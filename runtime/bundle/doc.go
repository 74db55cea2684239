// Package bundle owns the reading of bundles from anyone: zips with the files of a function.
// [Open] checks the structure of a zip, the names and the announced sizes of all of its entries,
// without inflating anything; [Archive.Unpack] then writes the contents, and trusts no header.
// Time and memory are linear in the length of the zip, and bounded by [runtime.MaxBundle] and the
// bounds beside it.
//
// It has a reader of its own for the directory of a zip, because every byte of it needs a check:
// archive/zip reads more entries than the end record announces, follows zip64 records, which a zip of
// this size does not need, accepts bytes before the archive, and does not compare the two headers of
// an entry. A fuzz test checks that archive/zip reads the same files from what this package accepts.
//
// It refuses to know where a bundle comes from, where its contents go, and what Python is, except
// that [runtime.BundleMain] is at its root.
//
//	archive, err := bundle.Open(file, size)
//	source, err := archive.Main()
//	entries, err := archive.Unpack(ctx, to)
package bundle
