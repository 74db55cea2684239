package spawn

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Between server and spawner each message is one packet of a socket of type SOCK_SEQPACKET.

// request is a message to the spawner: to start a worker under a number that no other worker has had,
// or to kill one.
type request struct {
	Worker uint64 `json:"worker"`
	Kill   bool   `json:"kill,omitempty"`
}

// report is a message of the spawner about a worker: it has started, and the packet has the server's
// ends of its connection and of its output; it could not be started; or it has ended.
type report struct {
	Worker uint64 `json:"worker"`
	PID    int    `json:"pid,omitempty"`
	Failed string `json:"failed,omitempty"` // why it was not started
	Ended  string `json:"ended,omitempty"`  // how it has ended
}

const (
	// maxMessage bounds a message, in bytes.
	maxMessage = 4096
	// startFiles is the number of descriptors that a report of a start has.
	startFiles = 2
)

// send sends a message with descriptors, which the caller closes.
func send(conn *net.UnixConn, message any, files ...int) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(files...)
	}
	_, _, err = conn.WriteMsgUnix(text, rights, nil)
	return err
}

// receive receives a message with its descriptors, which the caller closes. The error is io.EOF once
// the other end is closed.
func receive(conn *net.UnixConn, message any) (files []int, err error) {
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*startFiles))
	n, m, flags, _, err := conn.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	if files, err = descriptors(rights[:m]); err != nil {
		return nil, err
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("a message is too long")
	} else if err = json.Unmarshal(text[:n], message); err != nil {
		err = fmt.Errorf("a message is malformed: %w", err)
	}
	if err != nil {
		closeAll(files)
		files = nil
	}
	return files, err
}

func descriptors(rights []byte) (files []int, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	for _, m := range messages {
		more, parseErr := unix.ParseUnixRights(&m)
		files, err = append(files, more...), errors.Join(err, parseErr)
	}
	return files, err
}

func closeAll(files []int) {
	for _, fd := range files {
		unix.Close(fd)
	}
}

// pair returns the ends of a socket. No process that is started has them by itself.
func pair(kind int) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "server"), os.NewFile(uintptr(fds[1]), "process"), nil
}

// connection returns the connection of a socket, and closes the file.
func connection(file *os.File) (*net.UnixConn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a socket is of the family %s", conn.LocalAddr().Network()), conn.Close())
	}
	return unixConn, nil
}

// Inherited returns the connection that the process was started with, as its descriptor 3.
func Inherited() (*net.UnixConn, error) {
	const first = 3 // of exec.Cmd.ExtraFiles
	// The descriptor may be one of Go's own, which must not be closed.
	_, err := unix.GetsockoptInt(first, unix.SOL_SOCKET, unix.SO_TYPE)
	var conn *net.UnixConn
	if err == nil {
		syscall.CloseOnExec(first)
		conn, err = connection(os.NewFile(first, "inherited"))
	}
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not the connection of a server, which alone starts this command: %w", first, err)
	}
	return conn, nil
}
