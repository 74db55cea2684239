package wasi

import "math"

func fdRead(s *System, g guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	var few [fewVectors]iovec
	buffers, err := g.transfer(p[1], p[2], p[3], &few)
	switch {
	case err != success:
		return err
	case d.kind == kindDirectory:
		return eISDIR
	case !d.readable:
		return eBADF
	}
	n := 0
	if d.kind == kindFile {
		if n, err = s.readVectors(g, d, buffers, d.offset); err != success {
			return err
		}
		d.offset += int64(n)
	} else if d.kind == kindSocket {
		if n, err = s.sockReadVectors(g, d, buffers, 0); err != success {
			return err
		}
	} else if n, err = s.readDevice(g, d, buffers); err != success {
		return err
	}
	g.WriteUint32Le(uint32(p[3]), uint32(n))
	return success
}

func fdPread(s *System, g guest, p []uint64) errno {
	d, err := s.openPositioned(uint32(p[0]))
	if err != success {
		return err
	}
	var few [fewVectors]iovec
	buffers, err := g.transfer(p[1], p[2], p[4], &few)
	switch {
	case err != success:
		return err
	case !d.readable:
		return eBADF
	case p[3] > math.MaxInt64:
		return eINVAL
	}
	n := 0
	if d.kind == kindFile {
		n, err = s.readVectors(g, d, buffers, int64(p[3]))
	} else {
		n, err = s.readDevice(g, d, buffers)
	}
	if err != success {
		return err
	}
	g.WriteUint32Le(uint32(p[4]), uint32(n))
	return success
}

func fdWrite(s *System, g guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	var few [fewVectors]iovec
	buffers, err := g.transfer(p[1], p[2], p[3], &few)
	switch {
	case err != success:
		return err
	case !d.writable:
		return eBADF
	}
	n := 0
	if d.kind == kindFile {
		offset := d.offset
		if d.flags&flagAppend != 0 {
			offset = s.size(d)
		}
		if n, err = s.writeVectors(g, d, buffers, offset); err != success {
			return err
		}
		if n > 0 {
			d.offset = offset + int64(n)
		}
	} else if d.kind == kindSocket {
		if n, err = s.sockWriteVectors(g, d, buffers); err != success {
			return err
		}
	} else if n, err = s.writeDevice(g, d.kind, buffers); err != success {
		return err
	}
	g.WriteUint32Le(uint32(p[3]), uint32(n))
	return success
}

func fdPwrite(s *System, g guest, p []uint64) errno {
	d, err := s.openPositioned(uint32(p[0]))
	if err != success {
		return err
	}
	var few [fewVectors]iovec
	buffers, err := g.transfer(p[1], p[2], p[4], &few)
	switch {
	case err != success:
		return err
	case !d.writable:
		return eBADF
	case p[3] > math.MaxInt64:
		return eINVAL
	}
	n := 0
	if d.kind == kindFile {
		n, err = s.writeVectors(g, d, buffers, int64(p[3]))
	} else {
		n, err = s.writeDevice(g, d.kind, buffers)
	}
	if err != success {
		return err
	}
	g.WriteUint32Le(uint32(p[4]), uint32(n))
	return success
}

// transfer reads the parameters that the functions above share: the buffers, and the address for
// the count of bytes.
func (g guest) transfer(array, count, result uint64, few *[fewVectors]iovec) ([]iovec, errno) {
	if !g.writable(uint32(result), 4) {
		return nil, eFAULT
	}
	return g.vectors(uint32(array), uint32(count), few)
}

// readVectors fills the buffers from a file and returns the number of bytes read. It returns an errno
// only if it could read nothing.
func (s *System) readVectors(g guest, d *description, buffers []iovec, offset int64) (int, errno) {
	total := 0
	for _, v := range buffers {
		p := g.bytes(v)
		n := 0
		switch {
		case d.at.tree == nil:
			n = s.readAt(s.tmp.nodes[d.at.slot], p, offset)
		case !d.at.tree.mounted:
			n = s.readTree(d.at.tree, p, offset)
		default:
			var err errno
			if n, err = s.readSource(d.at.tree, p, offset); err != success && total == 0 {
				return 0, err
			}
		}
		total += n
		offset += int64(n)
		if n < len(p) {
			break
		}
	}
	return total, success
}

// readTree copies from a file of the Tree.
func (s *System) readTree(t *treeNode, p []byte, offset int64) int {
	total := 0
	for len(p) > 0 && offset < int64(len(t.data)) {
		n := copy(p[:min(len(p), blockSize)], t.data[offset:])
		p = p[n:]
		offset += int64(n)
		total += n
		s.spend(n)
	}
	return total
}

// writeVectors writes the buffers to a file of /tmp, as far as the limits allow, and returns the
// number of bytes written.
func (s *System) writeVectors(g guest, d *description, buffers []iovec, offset int64) (int, errno) {
	if len(buffers) == 0 {
		return 0, success
	}
	n, err := s.own(d.at.slot)
	if err != success {
		return 0, err
	}
	total := 0
	for _, v := range buffers {
		p := g.bytes(v)
		k, err := s.writeAt(n, p, offset)
		total += k
		offset += int64(k)
		if err != success && total == 0 {
			return 0, err
		}
		if k < len(p) {
			break
		}
	}
	return total, success
}

// log passes the buffers to the Control.
func (s *System) log(g guest, k kind, buffers []iovec) int {
	stream := int(k - kindStdin)
	total := 0
	for _, v := range buffers {
		s.control.Log(stream, g.bytes(v))
		total += int(v.length)
		s.spend(int(v.length))
	}
	return total
}
