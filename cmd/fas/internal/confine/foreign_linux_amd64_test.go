package confine

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() { tasks["i386"] = callAsI386 }

// callAsI386 reports the result of getpid by the interface of i386, in which it has the number of
// another call of amd64. The process is confined if the site has a folder outside.
func callAsI386(s site) map[string]string {
	if s.Outside != "" {
		Process(s.options())
	}
	mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		panic(err)
	}
	copy(mem, []byte{
		0xb8, 20, 0, 0, 0, // mov eax, 20
		0xcd, 0x80, // int 0x80
		0xc3, // ret
	})
	code := &mem[0]
	function := &code
	result := (*(*func() int32)(unsafe.Pointer(&function)))()
	return map[string]string{"result": fmt.Sprint(result), "pid": fmt.Sprint(os.Getpid())}
}

func TestCallsOfAnotherArchitectureAreRefused(t *testing.T) {
	needWalls(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), taskVar+"=i386 in {}")
	if err := cmd.Run(); err != nil {
		t.Skipf("the kernel has no calls of i386: %v", err)
	}
	if got := inside(t, "i386", site{}); got["result"] != got["pid"] {
		t.Fatalf("without a filter, getpid returns %v", got)
	}
	if got := inside(t, "i386", newSite(t)); got["result"] != fmt.Sprint(-int(unix.EPERM)) {
		t.Errorf("got %v, want EPERM", got)
	}
}
