package main

import "golang.org/x/sys/unix"

// keyInput makes a terminal pass on each key at once, and not show it. Signals and output stay as they
// are. immediate is false if it cannot; restore undoes it.
func keyInput(fd int) (immediate bool, restore func()) {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return false, func() {}
	}
	raw := *before
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return false, func() {}
	}
	return true, func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before) // the terminal may be gone
	}
}
