package confine

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	syscalls "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

const (
	readFolder = syscalls.AccessFSReadFile | syscalls.AccessFSReadDir
	readFile   = syscalls.AccessFSReadFile
	writeFile  = readFile | syscalls.AccessFSWriteFile | syscalls.AccessFSTruncate
	// createFiles lets a process replace a file by another that it has written in the same folder.
	createFiles = syscalls.AccessFSWriteFile | syscalls.AccessFSTruncate | syscalls.AccessFSMakeReg | syscalls.AccessFSRemoveFile
	// writeFolder has neither devices, sockets, pipes and links, nor the right to execute.
	writeFolder = readFolder | createFiles | syscalls.AccessFSMakeDir | syscalls.AccessFSRemoveDir | syscalls.AccessFSRefer
)

var (
	// processFiles have the process's memory use, and random numbers.
	processFiles = []string{"/proc/self", "/dev/urandom", "/dev/random"}
	// nameFiles configure name resolution.
	nameFiles = []string{
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
	}
	// rootFiles are where crypto/x509 looks for certificates of authorities, and where links there
	// lead. /etc/ssl as a whole has private keys.
	rootFiles = []string{
		"/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/certs", "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates/extracted",
		"/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/var/lib/ca-certificates",
	}
)

// restrictFiles restricts the process to the files of o, and to those of the system without which
// names and certificates cannot be resolved. It returns the version of the kernel's interface.
func restrictFiles(o Options, create bool) (abi int, err error) {
	if abi, err = LandlockVersion(); err != nil {
		return 0, err
	}
	if create {
		// A rule holds for an inode, and the kernel makes another one for a folder in /proc that nobody
		// has open. This one stays open, whatever the error is.
		_, _ = unix.Open("/proc/self", unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	r := rules{abi: abi}
	for _, folder := range o.Write {
		r.allow(folder, writeFolder, writeFile)
		// An operator may keep a part of the data on another disk.
		for _, link := range linksIn(folder) {
			r.allow(link, writeFolder, writeFile)
		}
	}
	if create {
		for _, folder := range o.Create {
			r.allow(folder, createFiles, 0)
		}
	}
	r.allow("/dev/null", 0, writeFile)
	for _, path := range slices.Concat(o.Read, processFiles, nameFiles, foldersOfNames(), rootFiles, rootsOfEnvironment()) {
		r.allow(path, readFolder, readFile)
	}
	config := landlock.Config{HandledAccessFS: landlock.V9.HandledAccessFS}
	if err := config.BestEffort().RestrictPaths(r.list...); err != nil {
		return 0, err
	}
	return abi, nil
}

// rules are what Landlock allows.
type rules struct {
	abi  int // version of the kernel's interface
	list []landlock.Rule
}

// allow allows rights for everything below path if it is a folder, otherwise for the file. The path
// may be a link, and may not exist.
func (r *rules) allow(path string, folder, file landlock.AccessFSSet) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	rights := file
	if info.IsDir() {
		rights = folder
	}
	if r.abi < 2 {
		// There, no restricted process can move a file to another folder. A rule that allows it
		// would disable all.
		rights &^= syscalls.AccessFSRefer
	}
	if rights != 0 {
		r.list = append(r.list, landlock.PathAccess(rights, path).IgnoreIfMissing())
	}
}

// linksIn returns the paths of the symbolic links in a folder.
func linksIn(folder string) (links []string) {
	entries, _ := os.ReadDir(folder) // of an unreadable folder, nothing is needed
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink != 0 {
			links = append(links, filepath.Join(folder, e.Name()))
		}
	}
	return links
}

// foldersOfNames returns folders in which programs replace the configuration of name resolution: a
// rule for a file does not hold for the file that replaces it. The files in /etc that another user
// than root can read are no secrets. Those that root can read are.
func foldersOfNames() (folders []string) {
	if os.Geteuid() != 0 {
		folders = append(folders, "/etc")
	}
	if target, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil && filepath.Dir(target) != "/etc" {
		folders = append(folders, filepath.Dir(target))
	}
	return folders
}

// rootsOfEnvironment returns where the environment says that certificates are, as crypto/x509 reads
// it.
func rootsOfEnvironment() []string {
	return append(filepath.SplitList(os.Getenv("SSL_CERT_DIR")), os.Getenv("SSL_CERT_FILE"))
}
