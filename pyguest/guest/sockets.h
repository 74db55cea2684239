/* What the files about sockets share: the calls of the host (runtime/sandbox/wasi, net.go), and the
 * reason of the latest failure. All calls return an error number of WASI, but for sock_resolve and
 * sock_found: 0, or an EAI code without its sign.
 */
#ifndef FAAS_SOCKETS_H
#define FAAS_SOCKETS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#include "net.h"

#define HOST(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

/* An address in the calls of the host. */
typedef struct {
    uint16_t family; /* 0: none */
    uint16_t port;   /* in the byte order of the machine */
    uint32_t scope;
    uint8_t ip[16];
} Address;
_Static_assert(sizeof(Address) == 24, "the host reads 24 bytes");

HOST(sock_open) extern int32_t host_open(int32_t family, int32_t type, int32_t *fd);
HOST(sock_pair) extern int32_t host_pair(int32_t type, int32_t fds[2]);
HOST(sock_connect) extern int32_t host_connect(int32_t fd, const Address *to);
HOST(sock_name) extern int32_t host_name(int32_t fd, int32_t peer, Address *name);
HOST(sock_getopt) extern int32_t host_getopt(int32_t fd, int32_t level, int32_t name, int32_t *value);
HOST(sock_setopt) extern int32_t host_setopt(int32_t fd, int32_t level, int32_t name, int32_t value);
HOST(sock_recv_from) extern int32_t host_recv(int32_t fd, void *data, size_t size, int32_t flags, Address *from, size_t *result);
HOST(sock_send_to) extern int32_t host_send(int32_t fd, const void *data, size_t size, int32_t flags, const Address *to, size_t *result);
HOST(sock_resolve) extern int32_t host_resolve(const char *name, size_t length, int32_t family, Address *found, size_t *count);
HOST(sock_reason) extern int32_t host_reason(char *text, size_t size, size_t *length);
HOST(sock_look_up) extern int32_t host_look_up(const char *name, size_t length, int32_t family, int32_t *fd);
HOST(sock_found) extern int32_t host_found(int32_t fd, Address *found, size_t *count);

/* Room for the reason of a failure, in bytes. */
enum { MOST_REASON = 512 };

/* Returns 0 for the error number 0. Otherwise it keeps the reason of the failure, sets errno and returns -1. */
int faas_socket_done(int error);
/* Forgets the reason of the latest failure. */
void faas_socket_forget(void);
/* Keeps the reason of the latest failure, which has this error number or EAI code. */
void faas_socket_remember(int error);
/* Returns why a socket call failed with this error number of Linux or EAI code, a string, or NULL without an
 * exception. Forgets it. */
PyObject *faas_socket_reason(int error);
/* Fails with EACCES and a sentence of ../bootstrap/_faas_boot/absent.py as the reason. */
int faas_socket_refuse(const char *sentence);

/* Returns 0, or -1 if the address is of another family. An address without a family is family 0. */
int faas_from_sockaddr(const struct sockaddr *sa, socklen_t length, Address *a);
/* Returns the length of the address, or 0 if it has no family. */
socklen_t faas_to_storage(const Address *a, struct sockaddr_storage *ss);
/* Copies as much of the address as there is room for; *length becomes its length. */
void faas_to_sockaddr(const Address *a, struct sockaddr *sa, socklen_t *length);

#endif
