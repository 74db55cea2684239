/* Numbers of Linux, where those of WASI differ and Python shows them. CPython's patches
 * (../build/patches) declare these functions themselves. */
#ifndef FAAS_LINUX_H
#define FAAS_LINUX_H

#include <stdint.h>
#include <sys/types.h>

/* The number on Linux of an error number of WASI. */
int faas_linux_errno(int number);

/* The text that glibc has for an error number of Linux; valid until the next call. */
const char *faas_linux_strerror(int number);

/* The permission bits of a file: those that faas_set_mode has set, else the usual ones of its type. */
unsigned faas_mode(uint64_t device, uint64_t inode, unsigned type);

/* Remembers the permission bits of a file. Returns 0, or -1 if there is no memory. */
int faas_set_mode(uint64_t device, uint64_t inode, unsigned mode);

/* The number of bytes, at most size, that a read at offset can return; offset is negative for the
 * position of the descriptor. */
ssize_t faas_readable(int fd, ssize_t size, off_t offset);

/* Sets the mask of new files and returns the previous one. */
unsigned faas_umask(unsigned mask);

#endif
