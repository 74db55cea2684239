// Package disk runs the server on disks that are full, nearly full or failing. Its tests need root,
// to mount file systems of their own.
package disk
