/* Functions on files that the C library for WASI lacks, or that differ there from Linux: dup,
 * statvfs, the mask of new files, the memory of large reads, and the empty path.
 *
 * fd_dup and tmp_usage are the host's, beyond those of WASI (runtime/sandbox/wasi). link-flags.sh
 * names the functions of the C library that the ones with __wrap_ replace.
 */
#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define HOST(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

HOST(fd_dup) extern int32_t host_fd_dup(int32_t fd, int32_t to, int32_t *result);
HOST(tmp_usage) extern int32_t host_tmp_usage(uint64_t usage[4]);

static int duplicate(int fd, int to) {
    int32_t result;
    int error = host_fd_dup(fd, to, &result);
    if (error == 0) return result;
    errno = error;
    return -1;
}

int dup(int fd);
int dup2(int fd, int to);

int dup(int fd) {
    return duplicate(fd, -1);
}

int dup2(int fd, int to) {
    if (to >= 0) return duplicate(fd, to);
    errno = EBADF;
    return -1;
}

/* The device number of /tmp; all others are read-only (runtime/sandbox/wasi). */
enum { TMP = 2, BLOCK = 4096 };

static void fill(struct statvfs *st, uint64_t device) {
    uint64_t usage[4] = {0}; /* bytes, bytes left, files, files left */
    if (device == TMP && host_tmp_usage(usage) != 0) __builtin_trap();
    memset(st, 0, sizeof *st);
    st->f_bsize = st->f_frsize = BLOCK;
    st->f_blocks = usage[0] / BLOCK;
    st->f_bfree = st->f_bavail = usage[1] / BLOCK;
    st->f_files = usage[2];
    st->f_ffree = st->f_favail = usage[3];
    st->f_fsid = device;
    st->f_flag = device == TMP ? 0 : ST_RDONLY;
    st->f_namemax = 255;
}

int __wrap_statvfs(const char *restrict path, struct statvfs *restrict st);
int __wrap_fstatvfs(int fd, struct statvfs *st);

int __wrap_statvfs(const char *restrict path, struct statvfs *restrict st) {
    struct stat found;
    if (stat(path, &found) < 0) return -1;
    fill(st, found.st_dev);
    return 0;
}

int __wrap_fstatvfs(int fd, struct statvfs *st) {
    struct stat found;
    if (fstat(fd, &found) < 0) return -1;
    fill(st, found.st_dev);
    return 0;
}

/* The number of bytes for which a read of `size` bytes needs memory: a regular file gives no more than
 * it has from the offset on, or from its position if the offset is negative. On Linux, memory that a
 * read does not fill costs nothing. */
ssize_t faas_readable(int fd, ssize_t size, off_t offset) {
    enum { SMALL = 64 << 10, LARGE = 16 << 20 };
    if (size <= SMALL) return size;
    int saved = errno;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (offset < 0) offset = lseek(fd, 0, SEEK_CUR);
        off_t left = offset >= 0 && offset < st.st_size ? st.st_size - offset : 0;
        if (left < SMALL) left = SMALL;
        if (left < size) size = left;
    } else if (size > LARGE) {
        size = LARGE; /* a read of a device may return less than was asked for */
    }
    errno = saved;
    return size;
}

static unsigned mask = 022;

unsigned faas_umask(unsigned new) {
    unsigned previous = mask;
    mask = new & 0777;
    return previous;
}

extern int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

/* A file that it creates gets the mode that the caller wants and the mask allows. Without a mode of
 * its own a file has 0644, so the usual case takes one call. */
int __wrap_open(const char *path, int flags, ...) {
    unsigned mode = 0;
    if (!(flags & (O_RDWR | O_SEARCH | O_EXEC))) flags |= O_RDONLY; /* which is 0 on Linux */
    if (flags & O_CREAT) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, unsigned) & ~mask & 07777;
        va_end(arguments);
    }
    if (!(flags & O_CREAT) || mode == 0644) return __real_open(path, flags, mode);
    int fd = __real_open(path, flags | O_EXCL, mode);
    struct stat made;
    if (fd < 0 && errno == EEXIST && !(flags & O_EXCL)) {
        int is_there = stat(path, &made) == 0; /* else it is a link to a file that does not exist */
        fd = __real_open(path, flags, mode);
        if (is_there) return fd;
    }
    if (fd >= 0 && fstat(fd, &made) == 0) faas_set_mode(made.st_dev, made.st_ino, mode);
    return fd;
}

/* An empty path leads nowhere; the C library takes it for the working directory. */

extern int __real___wasilibc_find_relpath(const char *path, const char **prefix, char **relative, size_t length);
int __wrap___wasilibc_find_relpath(const char *path, const char **prefix, char **relative, size_t length);

int __wrap___wasilibc_find_relpath(const char *path, const char **prefix, char **relative, size_t length) {
    if (*path) return __real___wasilibc_find_relpath(path, prefix, relative, length);
    errno = ENOENT;
    return -1;
}

extern int __real___wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *length, int grow);
int __wrap___wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *length, int grow);

int __wrap___wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *length, int grow) {
    if (*path) return __real___wasilibc_find_relpath_alloc(path, prefix, relative, length, grow);
    errno = ENOENT;
    return -1;
}
