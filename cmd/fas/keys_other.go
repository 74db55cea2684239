//go:build !linux

package main

// keyInput makes a terminal pass on each key at once, where it can.
func keyInput(int) (immediate bool, restore func()) { return false, func() {} }
