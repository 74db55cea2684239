package wasi

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/faaspot/faaspot/runtime"
)

// addressSize is the size in bytes of an address in guest memory: u16 family, u16 port, u32 scope,
// and 16 bytes of which IPv4 uses the first four.
const addressSize = 24

// readAddress reads an address. Family 0 gives the zero value.
func (g guest) readAddress(at uint32) (netip.AddrPort, errno) {
	b, ok := g.Read(at, addressSize)
	if !ok {
		return netip.AddrPort{}, eFAULT
	}
	port := binary.LittleEndian.Uint16(b[2:])
	switch binary.LittleEndian.Uint16(b) {
	case afUnspec:
		return netip.AddrPort{}, success
	case afInet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[8:12])), port), success
	case afInet6:
		if binary.LittleEndian.Uint32(b[4:]) != 0 {
			return netip.AddrPort{}, eADDRNOTAVAIL // no link-local address is reached
		}
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port), success
	}
	return netip.AddrPort{}, eAFNOSUPPORT
}

// putAddress writes an address, in the form that sockets of a family have.
func putAddress(b []byte, family uint16, a netip.AddrPort) {
	clear(b[:addressSize])
	ip := a.Addr().WithZone("")
	binary.LittleEndian.PutUint16(b, family)
	binary.LittleEndian.PutUint16(b[2:], a.Port())
	switch {
	case !ip.IsValid():
	case family == afInet:
		if ip = ip.Unmap(); ip.Is4() {
			v := ip.As4()
			copy(b[8:], v[:])
		}
	default:
		v := ip.As16()
		copy(b[8:], v[:])
	}
}

// familyOf returns the family of an address.
func familyOf(a netip.Addr) uint16 {
	if a.Is4() {
		return afInet
	}
	return afInet6
}

// maxReason is the number of bytes of the text that sock_reason returns.
const maxReason = 400

// explain keeps why a call failed, for sock_reason.
func (s *System) explain(err error) {
	e, ok := runtime.AsError(err)
	if !ok || e.Code == runtime.CodeInternal {
		return
	}
	text := e.Message
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "")
	}
	s.reason, s.unreachable = text, false
}

// failure returns the errno of an error of the network, and keeps its text.
func (s *System) failure(err error) errno {
	var number syscall.Errno
	if errors.As(err, &number) {
		return kernelErrno(number)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return eTIMEDOUT
	}
	s.explain(err)
	if e, ok := runtime.AsError(err); ok {
		switch e.Code {
		case runtime.CodePermissionDenied:
			return eACCES
		case runtime.CodeTooBusy:
			return eMFILE
		case runtime.CodeTooLarge:
			return eDQUOT
		case runtime.CodeUnavailable:
			return eNETUNREACH
		}
	}
	return eIO
}

// The results of sock_resolve: the EAI codes of Linux, without their sign.
const (
	eaiNoName = 2
	eaiAgain  = 3
	eaiFail   = 4
	eaiFamily = 6
)

// lookupFailure returns the EAI code of an error of Resolve, and keeps its text.
func (s *System) lookupFailure(err error) errno {
	s.explain(err)
	if e, ok := runtime.AsError(err); ok {
		switch e.Code {
		case runtime.CodeNotFound, runtime.CodeInvalidArgument:
			return eaiNoName
		case runtime.CodePermissionDenied:
			return eaiFail
		}
	}
	return eaiAgain
}

// kernelErrno returns the number of an error of the kernel.
func kernelErrno(e syscall.Errno) errno {
	switch e {
	case 0:
		return success
	case syscall.EAGAIN:
		return eAGAIN
	case syscall.EACCES:
		return eACCES
	case syscall.EADDRNOTAVAIL:
		return eADDRNOTAVAIL
	case syscall.ECONNABORTED:
		return eCONNABORTED
	case syscall.ECONNREFUSED:
		return eCONNREFUSED
	case syscall.ECONNRESET:
		return eCONNRESET
	case syscall.EHOSTUNREACH:
		return eHOSTUNREACH
	case syscall.EINVAL:
		return eINVAL
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		return eNOBUFS
	case syscall.EMSGSIZE:
		return eMSGSIZE
	case syscall.ENETUNREACH:
		return eNETUNREACH
	case syscall.ENOTCONN:
		return eNOTCONN
	case syscall.EPERM:
		return ePERM
	case syscall.EPIPE:
		return ePIPE
	case syscall.ETIMEDOUT:
		return eTIMEDOUT
	}
	return eIO
}
