package wasi

import (
	"bytes"
	"encoding/binary"
)

// Rights as wasi-libc requests them.
const (
	forReading = uint64(rightRead)
	forWriting = uint64(rightWrite)
	forBoth    = forReading | forWriting
)

func (r *rig) openAt(dir uint32, path string, flags uint32, rights uint64, fdflags uint32) (uint32, errno) {
	at, n := r.put(atPath, path)
	err := r.call("path_open", uint64(dir), 1, at, n, uint64(flags), rights, 0, uint64(fdflags), atResult)
	return r.result(), err
}

// open opens a path below the preopen.
func (r *rig) open(path string, flags uint32, rights uint64) (uint32, errno) {
	return r.openAt(3, path, flags, rights, 0)
}

func (r *rig) mustOpen(path string, flags uint32, rights uint64) uint32 {
	r.t.Helper()
	fd, err := r.open(path, flags, rights)
	r.want("open "+path, err, success)
	return fd
}

func (r *rig) write(fd uint32, data string) (int, errno) {
	at, n := r.put(atBuffer, data)
	r.vector(at, n)
	err := r.call("fd_write", uint64(fd), atVector, 1, atResult)
	return int(r.result()), err
}

func (r *rig) pwrite(fd uint32, data string, offset int64) (int, errno) {
	at, n := r.put(atBuffer, data)
	r.vector(at, n)
	err := r.call("fd_pwrite", uint64(fd), atVector, 1, uint64(offset), atResult)
	return int(r.result()), err
}

func (r *rig) vector(at, n uint64) {
	r.mem.WriteUint32Le(atVector, uint32(at))
	r.mem.WriteUint32Le(atVector+4, uint32(n))
}

func (r *rig) read(fd uint32, n int) (string, errno) {
	r.vector(atBuffer, uint64(n))
	if err := r.call("fd_read", uint64(fd), atVector, 1, atResult); err != success {
		return "", err
	}
	p, _ := r.mem.Read(atBuffer, r.result())
	return string(p), success
}

func (r *rig) pread(fd uint32, n int, offset int64) (string, errno) {
	r.vector(atBuffer, uint64(n))
	if err := r.call("fd_pread", uint64(fd), atVector, 1, uint64(offset), atResult); err != success {
		return "", err
	}
	p, _ := r.mem.Read(atBuffer, r.result())
	return string(p), success
}

func (r *rig) seek(fd uint32, offset int64, whence uint32) (int64, errno) {
	err := r.call("fd_seek", uint64(fd), uint64(offset), uint64(whence), atResult)
	return int64(r.result64()), err
}

func (r *rig) close(fd uint32) errno { return r.call("fd_close", uint64(fd)) }

// onPath calls a function that takes a directory and a path.
func (r *rig) onPath(name string, dir uint32, path string) errno {
	at, n := r.put(atPath, path)
	return r.call(name, uint64(dir), at, n)
}

func (r *rig) mkdir(path string) errno  { return r.onPath("path_create_directory", 3, path) }
func (r *rig) rmdir(path string) errno  { return r.onPath("path_remove_directory", 3, path) }
func (r *rig) unlink(path string) errno { return r.onPath("path_unlink_file", 3, path) }

func (r *rig) rename(from, to string) errno { return r.renameAt(3, from, 3, to) }

func (r *rig) symlinkAt(target string, dir uint32, path string) errno {
	at, n := r.put(atPath, target)
	at2, n2 := r.put(atPath2, path)
	return r.call("path_symlink", at, n, uint64(dir), at2, n2)
}

func (r *rig) symlink(target, path string) errno { return r.symlinkAt(target, 3, path) }

func (r *rig) linkAt(dir uint32, from string, follow uint64, dir2 uint32, to string) errno {
	at, n := r.put(atPath, from)
	at2, n2 := r.put(atPath2, to)
	return r.call("path_link", uint64(dir), follow, at, n, uint64(dir2), at2, n2)
}

func (r *rig) link(from, to string) errno { return r.linkAt(3, from, 0, 3, to) }

func (r *rig) readlinkAt(dir uint32, path string, size uint64) (string, errno) {
	at, n := r.put(atPath, path)
	if err := r.call("path_readlink", uint64(dir), at, n, atBuffer, size, atResult); err != success {
		return "", err
	}
	p, _ := r.mem.Read(atBuffer, r.result())
	return string(p), success
}

func (r *rig) readlink(path string) (string, errno) { return r.readlinkAt(3, path, 5000) }

func (r *rig) dup(fd, to uint32) (uint32, errno) {
	err := r.call("fd_dup", uint64(fd), uint64(to), atResult)
	return r.result(), err
}

func (r *rig) renameAt(dir uint32, from string, dir2 uint32, to string) errno {
	at, n := r.put(atPath, from)
	at2, n2 := r.put(atPath2, to)
	return r.call("path_rename", uint64(dir), at, n, uint64(dir2), at2, n2)
}

// statAt decodes the result of path_filestat_get.
func (r *rig) statAt(dir uint32, path string) (filestat, errno) {
	at, n := r.put(atPath, path)
	err := r.call("path_filestat_get", uint64(dir), 1, at, n, atResult)
	return r.filestat(), err
}

func (r *rig) lstatAt(dir uint32, path string) (filestat, errno) {
	at, n := r.put(atPath, path)
	err := r.call("path_filestat_get", uint64(dir), 0, at, n, atResult)
	return r.filestat(), err
}

func (r *rig) lstat(path string) (filestat, errno) { return r.lstatAt(3, path) }

func (r *rig) stat(path string) (filestat, errno) { return r.statAt(3, path) }

func (r *rig) fstat(fd uint32) (filestat, errno) {
	err := r.call("fd_filestat_get", uint64(fd), atResult)
	return r.filestat(), err
}

func (r *rig) filestat() filestat {
	v := func(i uint32) uint64 { v, _ := r.mem.ReadUint64Le(atResult + 8*i); return v }
	return filestat{v(0), v(1), uint8(v(2)), v(3), v(4), int64(v(5)), int64(v(6)), int64(v(7))}
}

// dirent is one entry of a listing.
type dirent struct {
	next, number uint64
	fileType     uint8
	name         string
}

// readdir reads one listing of at most size bytes.
func (r *rig) readdir(fd uint32, size uint32, cookie uint64) ([]dirent, errno) {
	if err := r.call("fd_readdir", uint64(fd), atBuffer, uint64(size), cookie, atResult); err != success {
		return nil, err
	}
	p, _ := r.mem.Read(atBuffer, r.result())
	var list []dirent
	for len(p) >= direntSize {
		n := binary.LittleEndian.Uint32(p[16:])
		if uint32(len(p)) < direntSize+n {
			break
		}
		list = append(list, dirent{
			binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:]), p[20], string(p[direntSize : direntSize+n]),
		})
		p = p[direntSize+n:]
	}
	return list, success
}

// names lists a directory without "." and "..".
func (r *rig) names(path string) []string {
	r.t.Helper()
	fd := r.mustOpen(path, openDirectory, forReading)
	defer r.close(fd)
	var names []string
	cookie := uint64(0)
	for {
		list, err := r.readdir(fd, 2048, cookie)
		r.want("readdir "+path, err, success)
		if len(list) == 0 {
			return names
		}
		for _, e := range list {
			cookie = e.next
			if e.name != "." && e.name != ".." {
				names = append(names, e.name)
			}
		}
	}
}

// store creates a file with that content.
func (r *rig) store(path, content string) {
	r.t.Helper()
	fd := r.mustOpen(path, openCreate|openTruncate, forWriting)
	n, err := r.write(fd, content)
	r.want("write "+path, err, success)
	if n != len(content) {
		r.t.Fatalf("write %s: %d of %d bytes", path, n, len(content))
	}
	r.want("close", r.close(fd), success)
}

// load reads a whole file.
func (r *rig) load(path string) string {
	r.t.Helper()
	fd := r.mustOpen(path, 0, forReading)
	defer r.close(fd)
	var all bytes.Buffer
	for {
		s, err := r.read(fd, 100_000)
		r.want("read "+path, err, success)
		if s == "" {
			return all.String()
		}
		all.WriteString(s)
	}
}

func (r *rig) want(what string, got, want errno) {
	r.t.Helper()
	if got != want {
		r.t.Fatalf("%s: errno %d, want %d", what, got, want)
	}
}
