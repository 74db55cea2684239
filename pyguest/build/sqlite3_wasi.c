/* SQLite for one process that alone uses its file system.
 *
 * WASI has no advisory locks, so wasi-libc's fcntl refuses them and SQLite falls back to locking with folders, which
 * makes even two readers of one database exclude each other. But SQLite already resolves locks among the connections
 * of one process in its own tables and asks the kernel only on behalf of other processes. Here there are none: every
 * lock is granted. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

/* wasi-libc leaves these out; SQLite defines the same ones for itself. */
#ifndef F_RDLCK
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 12
#define F_SETLK 13
#define F_SETLKW 14
#endif

static int sole_process_fcntl(int fd, int op, ...) {
    va_list args;
    va_start(args, op);
    int result = 0;
    switch (op) {
    case F_SETLK:
    case F_SETLKW:
        break;
    case F_GETLK:
        va_arg(args, struct flock *)->l_type = F_UNLCK;
        break;
    default:
        result = fcntl(fd, op, va_arg(args, int));
    }
    va_end(args);
    return result;
}

#define fcntl sole_process_fcntl
#include "sqlite3.c"
