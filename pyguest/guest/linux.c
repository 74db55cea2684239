/* What Python shows of its operating system, as it is on Linux: error numbers and their
 * texts, and permission bits, which WASI does not have.
 */
#include "linux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct {
    uint8_t wasi, linux_;
    const char *text;
} Error;

/* In the order of WASI's numbers, which are the indices plus 1. */
static const Error errors[] = {
    {E2BIG, 7, "Argument list too long"},
    {EACCES, 13, "Permission denied"},
    {EADDRINUSE, 98, "Address already in use"},
    {EADDRNOTAVAIL, 99, "Cannot assign requested address"},
    {EAFNOSUPPORT, 97, "Address family not supported by protocol"},
    {EAGAIN, 11, "Resource temporarily unavailable"},
    {EALREADY, 114, "Operation already in progress"},
    {EBADF, 9, "Bad file descriptor"},
    {EBADMSG, 74, "Bad message"},
    {EBUSY, 16, "Device or resource busy"},
    {ECANCELED, 125, "Operation canceled"},
    {ECHILD, 10, "No child processes"},
    {ECONNABORTED, 103, "Software caused connection abort"},
    {ECONNREFUSED, 111, "Connection refused"},
    {ECONNRESET, 104, "Connection reset by peer"},
    {EDEADLK, 35, "Resource deadlock avoided"},
    {EDESTADDRREQ, 89, "Destination address required"},
    {EDOM, 33, "Numerical argument out of domain"},
    {EDQUOT, 122, "Disk quota exceeded"},
    {EEXIST, 17, "File exists"},
    {EFAULT, 14, "Bad address"},
    {EFBIG, 27, "File too large"},
    {EHOSTUNREACH, 113, "No route to host"},
    {EIDRM, 43, "Identifier removed"},
    {EILSEQ, 84, "Invalid or incomplete multibyte or wide character"},
    {EINPROGRESS, 115, "Operation now in progress"},
    {EINTR, 4, "Interrupted system call"},
    {EINVAL, 22, "Invalid argument"},
    {EIO, 5, "Input/output error"},
    {EISCONN, 106, "Transport endpoint is already connected"},
    {EISDIR, 21, "Is a directory"},
    {ELOOP, 40, "Too many levels of symbolic links"},
    {EMFILE, 24, "Too many open files"},
    {EMLINK, 31, "Too many links"},
    {EMSGSIZE, 90, "Message too long"},
    {EMULTIHOP, 72, "Multihop attempted"},
    {ENAMETOOLONG, 36, "File name too long"},
    {ENETDOWN, 100, "Network is down"},
    {ENETRESET, 102, "Network dropped connection on reset"},
    {ENETUNREACH, 101, "Network is unreachable"},
    {ENFILE, 23, "Too many open files in system"},
    {ENOBUFS, 105, "No buffer space available"},
    {ENODEV, 19, "No such device"},
    {ENOENT, 2, "No such file or directory"},
    {ENOEXEC, 8, "Exec format error"},
    {ENOLCK, 37, "No locks available"},
    {ENOLINK, 67, "Link has been severed"},
    {ENOMEM, 12, "Cannot allocate memory"},
    {ENOMSG, 42, "No message of desired type"},
    {ENOPROTOOPT, 92, "Protocol not available"},
    {ENOSPC, 28, "No space left on device"},
    {ENOSYS, 38, "Function not implemented"},
    {ENOTCONN, 107, "Transport endpoint is not connected"},
    {ENOTDIR, 20, "Not a directory"},
    {ENOTEMPTY, 39, "Directory not empty"},
    {ENOTRECOVERABLE, 131, "State not recoverable"},
    {ENOTSOCK, 88, "Socket operation on non-socket"},
    {ENOTSUP, 95, "Operation not supported"},
    {ENOTTY, 25, "Inappropriate ioctl for device"},
    {ENXIO, 6, "No such device or address"},
    {EOVERFLOW, 75, "Value too large for defined data type"},
    {EOWNERDEAD, 130, "Owner died"},
    {EPERM, 1, "Operation not permitted"},
    {EPIPE, 32, "Broken pipe"},
    {EPROTO, 71, "Protocol error"},
    {EPROTONOSUPPORT, 93, "Protocol not supported"},
    {EPROTOTYPE, 91, "Protocol wrong type for socket"},
    {ERANGE, 34, "Numerical result out of range"},
    {EROFS, 30, "Read-only file system"},
    {ESPIPE, 29, "Illegal seek"},
    {ESRCH, 3, "No such process"},
    {ESTALE, 116, "Stale file handle"},
    {ETIMEDOUT, 110, "Connection timed out"},
    {ETXTBSY, 26, "Text file busy"},
    {EXDEV, 18, "Invalid cross-device link"},
    {ENOTCAPABLE, 13, "Permission denied"},
};

enum { ERRORS = sizeof errors / sizeof *errors };

int faas_linux_errno(int number) {
    if (number < 1 || number > ERRORS || errors[number - 1].wasi != number) return number;
    return errors[number - 1].linux_;
}

const char *faas_linux_strerror(int number) {
    static char unknown[32];
    if (number == 0) return "Success";
    for (int i = 0; i < ERRORS; i++)
        if (errors[i].linux_ == number) return errors[i].text;
    snprintf(unknown, sizeof unknown, "Unknown error %d", number);
    return unknown;
}

/* Permission bits by file: an open hash table, at most half full. An inode of 0 marks a free entry:
 * the host numbers files from 1, and never gives a number twice within a run. */
typedef struct {
    uint64_t device, inode;
    unsigned mode;
} Mode;

static Mode *modes;
static size_t mode_cap, mode_len;

static Mode *mode_entry(uint64_t device, uint64_t inode) {
    size_t i = (size_t)(inode * 0x9e3779b97f4a7c15 >> 32);
    for (;; i++) {
        Mode *m = &modes[i & (mode_cap - 1)];
        if (m->inode == 0 || (m->inode == inode && m->device == device)) return m;
    }
}

unsigned faas_mode(uint64_t device, uint64_t inode, unsigned type) {
    if (mode_len > 0) {
        const Mode *m = mode_entry(device, inode);
        if (m->inode != 0) return m->mode;
    }
    if (S_ISDIR(type)) return 0755;
    if (S_ISLNK(type)) return 0777;
    return S_ISCHR(type) ? 0666 : 0644;
}

int faas_set_mode(uint64_t device, uint64_t inode, unsigned mode) {
    if (2 * (mode_len + 1) > mode_cap) {
        Mode *old = modes;
        size_t old_cap = mode_cap, cap = old_cap ? 2 * old_cap : 64;
        Mode *grown = calloc(cap, sizeof *grown);
        if (!grown) return -1;
        modes = grown;
        mode_cap = cap;
        for (size_t i = 0; i < old_cap; i++)
            if (old[i].inode != 0) *mode_entry(old[i].device, old[i].inode) = old[i];
        free(old);
    }
    Mode *m = mode_entry(device, inode);
    if (m->inode == 0) mode_len++;
    *m = (Mode){device, inode, mode};
    return 0;
}
