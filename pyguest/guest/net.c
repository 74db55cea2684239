/* Sockets: the part of POSIX that the C library for WASI lacks, over calls of the host
 * (runtime/sandbox/wasi, net.go). A socket is a descriptor of WASI, so that read, write, close,
 * fcntl, ioctl and fstat are those of the C library.
 *
 * The numbers of families, types, options and flags are those of Linux (net.h), also in the calls
 * of the host. Error numbers are WASI's, as everywhere in C.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "linux.h"
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <wasi/api.h>

/* Why the latest call failed: its error number, 0 if there is no reason, and the words of the host or
 * the name of a sentence in absent.py. */
static int reason_of;
static char reason[MOST_REASON];
static const char *sentence;

extern PyObject *faas_absent_text(const char *name);

void faas_socket_forget(void) {
    reason_of = 0;
}

void faas_socket_remember(int error) {
    size_t length = 0;
    reason_of = error;
    int state = host_reason(reason, sizeof reason - 1, &length);
    reason[length] = 0;
    if (state == ENOTSUP) sentence = "NETWORK";
    else if (state == EAGAIN) sentence = "NETWORK_LATER";
    else if (length == 0) reason_of = 0;
}

PyObject *faas_socket_reason(int error) {
    if (reason_of == 0 || faas_linux_errno(reason_of) != error) return NULL;
    reason_of = 0;
    PyObject *text = *reason ? PyUnicode_DecodeUTF8(reason, (Py_ssize_t)strlen(reason), "replace") : faas_absent_text(sentence);
    if (!text) PyErr_Clear();
    return text;
}

int faas_socket_done(int error) {
    reason_of = 0;
    if (error == 0) return 0;
    if (error != EAGAIN && error != EINPROGRESS) faas_socket_remember(error);
    errno = error;
    return -1;
}

int faas_from_sockaddr(const struct sockaddr *sa, socklen_t length, Address *a) {
    memset(a, 0, sizeof *a);
    if (length >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        a->family = AF_INET, a->port = ntohs(in->sin_port);
        memcpy(a->ip, &in->sin_addr, 4);
        return 0;
    }
    if (length >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)sa;
        a->family = AF_INET6, a->port = ntohs(in->sin6_port), a->scope = in->sin6_scope_id;
        memcpy(a->ip, &in->sin6_addr, 16);
        return 0;
    }
    return length >= sizeof sa->sa_family && sa->sa_family == AF_UNSPEC ? 0 : -1;
}

socklen_t faas_to_storage(const Address *a, struct sockaddr_storage *ss) {
    memset(ss, 0, sizeof *ss);
    if (a->family == AF_INET6) {
        struct sockaddr_in6 *in = (void *)ss;
        in->sin6_family = AF_INET6, in->sin6_port = htons(a->port), in->sin6_scope_id = a->scope;
        memcpy(&in->sin6_addr, a->ip, 16);
        return sizeof *in;
    }
    if (a->family != AF_INET) return 0;
    struct sockaddr_in *in = (void *)ss;
    in->sin_family = AF_INET, in->sin_port = htons(a->port);
    memcpy(&in->sin_addr, a->ip, 4);
    return sizeof *in;
}

void faas_to_sockaddr(const Address *a, struct sockaddr *sa, socklen_t *length) {
    struct sockaddr_storage ss;
    socklen_t size = faas_to_storage(a, &ss);
    memcpy(sa, &ss, size < *length ? size : *length);
    *length = size;
}

static void not_blocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int socket(int family, int type, int protocol) {
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC), fd;
    type &= ~flags;
    if (family != AF_INET && family != AF_INET6) return faas_socket_done(EAFNOSUPPORT);
    if (type != SOCK_STREAM && type != SOCK_DGRAM) return faas_socket_done(EPROTONOSUPPORT);
    if (protocol != 0 && protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP)) return faas_socket_done(EPROTONOSUPPORT);
    if (faas_socket_done(host_open(family, type, &fd)) < 0) return -1;
    if (flags & SOCK_NONBLOCK) not_blocking(fd);
    return fd;
}

int socketpair(int family, int type, int protocol, int fds[2]) {
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (family != AF_INET && family != AF_INET6) return faas_socket_done(EAFNOSUPPORT);
    if (protocol != 0) return faas_socket_done(EPROTONOSUPPORT);
    if (faas_socket_done(host_pair(type & ~flags, fds)) < 0) return -1;
    if (flags & SOCK_NONBLOCK) not_blocking(fds[0]), not_blocking(fds[1]);
    return 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    Address a;
    if (faas_from_sockaddr(address, length, &a) < 0) return faas_socket_done(EAFNOSUPPORT);
    return faas_socket_done(host_connect(fd, &a));
}

int faas_socket_refuse(const char *why) {
    *reason = 0;
    sentence = why;
    errno = reason_of = EACCES;
    return -1;
}

/* A socket may be bound to any address and port, as a client does, and to no other. */
int bind(int fd, const struct sockaddr *address, socklen_t length) {
    static const uint8_t any[16];
    Address a;
    int32_t type;
    if (faas_socket_done(host_getopt(fd, SOL_SOCKET, SO_TYPE, &type)) < 0) return -1;
    if (faas_from_sockaddr(address, length, &a) < 0 || a.family == 0) return faas_socket_done(EAFNOSUPPORT);
    return a.port == 0 && memcmp(a.ip, any, sizeof any) == 0 ? 0 : faas_socket_refuse("SERVERS");
}

int listen(int fd, int backlog) {
    int32_t type;
    if (faas_socket_done(host_getopt(fd, SOL_SOCKET, SO_TYPE, &type)) < 0) return -1;
    return type == SOCK_STREAM ? faas_socket_refuse("SERVERS") : faas_socket_done(ENOTSUP);
}

static int name(int fd, int peer, struct sockaddr *sa, socklen_t *length) {
    Address a;
    if (faas_socket_done(host_name(fd, peer, &a)) < 0) return -1;
    faas_to_sockaddr(&a, sa, length);
    return 0;
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict length) {
    return name(fd, 0, address, length);
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict length) {
    return name(fd, 1, address, length);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    Address a;
    size_t sent;
    if (to && faas_from_sockaddr(to, length, &a) < 0) return faas_socket_done(EAFNOSUPPORT);
    return faas_socket_done(host_send(fd, data, size, flags, to ? &a : NULL, &sent)) < 0 ? -1 : (ssize_t)sent;
}

ssize_t recvfrom(int fd, void *restrict data, size_t size, int flags, struct sockaddr *restrict from, socklen_t *restrict length) {
    Address a = {0};
    size_t received;
    if (faas_socket_done(host_recv(fd, data, size, flags, from ? &a : NULL, &received)) < 0) return -1;
    if (from && length) faas_to_sockaddr(&a, from, length);
    return (ssize_t)received;
}

/* The host has options of one number: a pair or a time is one, too. */
enum { LINGER_OFF = -1 };

int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
    int32_t number;
    if (!value) return faas_socket_done(EFAULT);
    if (level == SOL_SOCKET && option == SO_LINGER) {
        struct linger linger;
        if (length < sizeof linger) return faas_socket_done(EINVAL);
        memcpy(&linger, value, sizeof linger);
        number = linger.l_onoff ? linger.l_linger : LINGER_OFF;
    } else if (level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO)) {
        /* struct.pack("ll") or ("qq") */
        int32_t narrow[2];
        int64_t wide[2];
        if (length >= sizeof wide) {
            memcpy(wide, value, sizeof wide);
        } else if (length >= sizeof narrow) {
            memcpy(narrow, value, sizeof narrow);
            wide[0] = narrow[0], wide[1] = narrow[1];
        } else {
            return faas_socket_done(EINVAL);
        }
        if (wide[0] < 0 || wide[1] < 0 || wide[1] >= 1000000) return faas_socket_done(EDOM);
        int64_t milliseconds = wide[0] > INT32_MAX / 1000 ? INT32_MAX : wide[0] * 1000 + (wide[1] + 999) / 1000;
        number = milliseconds > INT32_MAX ? INT32_MAX : (int32_t)milliseconds;
    } else {
        if (length < sizeof number) return faas_socket_done(EINVAL);
        memcpy(&number, value, sizeof number);
    }
    return faas_socket_done(host_setopt(fd, level, option, number));
}

#undef getsockopt
int faas_getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict length) {
    int32_t number;
    if (faas_socket_done(host_getopt(fd, level, option, &number)) < 0) return -1;
    int32_t pair[2] = {number, 0};
    socklen_t size = sizeof number;
    if (level == SOL_SOCKET && option == SO_LINGER) {
        pair[0] = number != LINGER_OFF, pair[1] = number != LINGER_OFF ? number : 0;
        size = sizeof pair;
    } else if (level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO)) {
        pair[0] = number / 1000, pair[1] = number % 1000 * 1000;
        size = sizeof pair;
    }
    if (*length < size) size = *length;
    memcpy(value, pair, size);
    *length = size;
    return 0;
}

#undef shutdown
int faas_shutdown(int fd, int how) {
    if (how < SHUT_RD || how > SHUT_RDWR) return faas_socket_done(EINVAL);
    /* __WASI_SDFLAGS_RD is 1, _WR is 2 */
    return faas_socket_done(__wasi_sock_shutdown(fd, (__wasi_sdflags_t)(how + 1)));
}

/* What the host says beside a socket's readiness, in the flags of an event: the first is WASI's. */
enum { EVENT_HANGUP = 1, EVENT_ERROR = 2, EVENT_NOT_READY = 4 };

enum { READS = POLLIN | POLLRDNORM, WRITES = POLLOUT | POLLWRNORM };

/* Subscribes to what one of READS or WRITES has asked for, or to a hangup and errors alone. */
static void subscribe(__wasi_subscription_t *s, int fd, nfds_t index, int events) {
    memset(s, 0, sizeof *s);
    s->userdata = index;
    s->u.tag = events & WRITES ? __WASI_EVENTTYPE_FD_WRITE : __WASI_EVENTTYPE_FD_READ;
    s->u.u.fd_read.file_descriptor = fd;
    /* A word that WASI leaves unused: the host then reports nothing but hangups and errors of a socket. */
    if (events == 0) memset((char *)&s->u.u.fd_read + sizeof s->u.u.fd_read, 1, 1);
}

/* Waits for descriptors. A negative time waits without a limit. */
static int wait_for(struct pollfd *fds, nfds_t count, int64_t nanoseconds) {
    enum { FEW = 8 };
    __wasi_subscription_t few[FEW], *subscriptions = few;
    __wasi_event_t few_events[FEW], *events = few_events;
    size_t most = 2 * (size_t)count + 1, wanted = 0, got = 0;
    if (most > FEW) {
        subscriptions = malloc(most * (sizeof *subscriptions + sizeof *events));
        if (!subscriptions) return faas_socket_done(ENOMEM);
        events = (void *)(subscriptions + most);
    }
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        int out = fds[i].events & WRITES, in = fds[i].events & READS;
        if (in || !out) subscribe(&subscriptions[wanted++], fds[i].fd, i, in);
        if (out) subscribe(&subscriptions[wanted++], fds[i].fd, i, out);
    }
    if (nanoseconds >= 0 || wanted == 0) {
        __wasi_subscription_t *s = &subscriptions[wanted++];
        memset(s, 0, sizeof *s);
        s->u.tag = __WASI_EVENTTYPE_CLOCK;
        s->u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
        s->u.u.clock.timeout = nanoseconds >= 0 ? (uint64_t)nanoseconds : UINT64_MAX;
    }
    int error = __wasi_poll_oneoff(subscriptions, events, wanted, &got);
    int ready = 0;
    for (size_t i = 0; error == 0 && i < got; i++) {
        const __wasi_event_t *e = &events[i];
        if (e->type == __WASI_EVENTTYPE_CLOCK) continue;
        struct pollfd *p = &fds[e->userdata];
        int was = p->revents, flags = e->fd_readwrite.flags;
        if (e->error) {
            p->revents |= e->error == EBADF ? POLLNVAL : POLLERR;
        } else {
            if (!(flags & EVENT_NOT_READY)) {
                int of = e->type == __WASI_EVENTTYPE_FD_WRITE ? WRITES : READS;
                p->revents |= (short)(p->events & of);
            }
            if (flags & EVENT_HANGUP) p->revents |= POLLHUP;
            if (flags & EVENT_ERROR) p->revents |= POLLERR;
        }
        if (!was && p->revents) ready++;
    }
    if (subscriptions != few) free(subscriptions);
    return error ? faas_socket_done(error) : ready;
}

#undef poll
int faas_poll(struct pollfd *fds, nfds_t count, int milliseconds) {
    return wait_for(fds, count, milliseconds < 0 ? -1 : (int64_t)milliseconds * 1000000);
}

/* Keeps in a set the descriptors that an event has made ready, and returns how many they are. */
static int keep(fd_set *set, const struct pollfd *fds, size_t count, short wanted, short ready) {
    int kept = 0;
    FD_ZERO(set);
    for (size_t i = 0; i < count; i++)
        if (fds[i].events & wanted && fds[i].revents & ready) FD_SET(fds[i].fd, set), kept++;
    return kept;
}

#undef select
int faas_select(int most, fd_set *restrict readable, fd_set *restrict writable, fd_set *restrict failed,
                struct timeval *restrict timeout) {
    size_t in = readable ? readable->__nfds : 0, out = writable ? writable->__nfds : 0, count = in + out;
    struct pollfd few[8], *fds = few;
    if (count > sizeof few / sizeof *few && !(fds = malloc(count * sizeof *fds))) return faas_socket_done(ENOMEM);
    for (size_t i = 0; i < in; i++) fds[i] = (struct pollfd){readable->__fds[i], POLLIN, 0};
    for (size_t i = 0; i < out; i++) fds[in + i] = (struct pollfd){writable->__fds[i], POLLOUT, 0};
    int ready = wait_for(fds, count, timeout ? (int64_t)timeout->tv_sec * 1000000000 + (int64_t)timeout->tv_usec * 1000 : -1);
    for (size_t i = 0; ready > 0 && i < count; i++)
        if (fds[i].revents & POLLNVAL) ready = faas_socket_done(EBADF);
    if (ready >= 0) {
        ready = 0;
        if (readable) ready += keep(readable, fds, in, POLLIN, POLLIN | POLLHUP | POLLERR);
        if (writable) ready += keep(writable, fds + in, out, POLLOUT, POLLOUT | POLLERR);
        if (failed) FD_ZERO(failed); /* no urgent data */
    }
    if (fds != few) free(fds);
    return ready;
}
