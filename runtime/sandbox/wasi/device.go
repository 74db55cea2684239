package wasi

import "io"

// devices are the character devices below /dev, by their path there. The standard streams have two
// names. /dev/fd has a name for every other open descriptor, too, which it does not list.
var devices = map[string]kind{
	"null": kindNull, "zero": kindZero, "full": kindFull, "random": kindRandom, "urandom": kindRandom,
	"execution": kindExecution, "stdin": kindStdin, "stdout": kindStdout, "stderr": kindStderr,
	"fd/0": kindStdin, "fd/1": kindStdout, "fd/2": kindStderr,
}

// deviceFolder is the name in the root directory under which the devices lie.
const deviceFolder = "dev"

// isDevice reports whether p is a character device.
func (p nodeRef) isDevice() bool { return p.tree != nil && p.tree.device != kindClosed }

// readDevice fills the buffers from a descriptor that is neither a file nor a directory, and
// returns the number of bytes. stdin and /dev/null are at their end.
func (s *System) readDevice(g guest, d *description, buffers []iovec) (int, errno) {
	k := d.kind
	switch k {
	case kindZero, kindFull, kindRandom:
	case kindExecution:
		return s.readExecution(g, d, buffers), success
	default:
		return 0, success
	}
	total := 0
	for _, v := range buffers {
		for p := g.bytes(v); len(p) > 0; {
			part := p[:min(len(p), blockSize)]
			if k != kindRandom {
				clear(part)
			} else if _, err := io.ReadFull(s.random, part); err != nil {
				return 0, eIO
			}
			p = p[len(part):]
			total += len(part)
			s.spend(len(part))
		}
	}
	return total, success
}

// readExecution reads from /dev/execution, a stream that ends.
func (s *System) readExecution(g guest, d *description, buffers []iovec) int {
	text := s.control.Execution()
	total := 0
	for _, v := range buffers {
		n := copy(g.bytes(v), text[min(d.offset, int64(len(text))):])
		d.offset += int64(n)
		total += n
	}
	return total
}

// writeDevice writes the buffers to a descriptor that is neither a file nor a directory, and returns
// the number of bytes. Output goes to the log; other devices drop it, but for /dev/full.
func (s *System) writeDevice(g guest, k kind, buffers []iovec) (int, errno) {
	switch k {
	case kindStdout, kindStderr:
		return s.log(g, k, buffers), success
	case kindFull:
		return 0, eNOSPC
	}
	total := 0
	for _, v := range buffers {
		total += int(v.length)
	}
	return total, success
}
