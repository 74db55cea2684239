package server

import (
	"errors"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

// healthSocket is the name of the socket of a service manager at which the server answers health checks. One of
// any other name is for the API.
const healthSocket = "health_listen"

// openListeners opens what the server listens at. A socket that a service manager has opened and passes on, as
// sd_listen_fds(3) describes it, takes the place of the address in the settings: connections wait in it while
// the server is restarted.
func (s *server) openListeners() (err error) {
	if err = s.takeSockets(activation.Files(true)); err != nil {
		return err
	}
	if s.listener == nil {
		if s.listener, err = listen(s.Listen); err != nil {
			return err
		}
	}
	if s.health == nil && s.HealthListen != "" {
		s.health, err = listen(s.HealthListen)
	}
	return err
}

// takeSockets takes the sockets of a service manager, and closes the files.
func (s *server) takeSockets(files []*os.File) error {
	const hint = "name one stream socket of TCP for the API, and at most another with FileDescriptorName=" + healthSocket + ": see docs/operating.md"
	for _, f := range files {
		accepts, optErr := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		listening := optErr != nil || accepts != 0 // net.FileListener takes any socket, and reports what is none
		ln, err := net.FileListener(f)
		err = errors.Join(err, f.Close())
		if err == nil && ln.Addr().Network() != "tcp" {
			err = errors.Join(errors.New("it is not one of TCP"), ln.Close())
		}
		if err == nil && !listening {
			err = errors.Join(errors.New("it does not listen: Accept=yes, which passes single connections, is not possible"), ln.Close())
		}
		if err != nil {
			return runtime.Errorf(runtime.CodeInvalidArgument, "the socket %q of the service manager cannot be used: %v", f.Name(), err).WithHint(hint)
		}
		setting, place := "listen", &s.listener
		if f.Name() == healthSocket {
			setting, place = healthSocket, &s.health
		}
		if *place != nil {
			return runtime.Errorf(runtime.CodeInvalidArgument, "the service manager passes several sockets for %s", setting).WithHint(hint)
		}
		*place = ln
		s.passed = s.listener != nil
		s.log.Info("listening at a socket of the service manager", "setting", setting, "socket", f.Name(), "address", ln.Addr().String())
	}
	return nil
}
