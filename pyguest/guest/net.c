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
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <wasi/api.h>

#define HOST(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

/* An address in the calls of the host. */
typedef struct {
    uint16_t family; /* 0: none */
    uint16_t port;   /* in the byte order of the machine */
    uint32_t scope;
    uint8_t ip[16];
} Address;
_Static_assert(sizeof(Address) == 24, "the host reads 24 bytes");

/* All return an error number of WASI, but for sock_resolve: 0, or an EAI code without its sign. */
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

/* Why the latest call failed: its error number, 0 if there is no reason, and the words of the host or
 * the name of a sentence in absent.py. */
static int reason_of;
static char reason[512];
static const char *sentence;

extern PyObject *faas_absent_text(const char *name);
PyObject *faas_socket_reason(int error);
int faas_socket_failed(int error);

/* Fetches the reason of a failure. */
static void remember(int error) {
    size_t length = 0;
    reason_of = error;
    int state = host_reason(reason, sizeof reason - 1, &length);
    reason[length] = 0;
    if (state == ENOTSUP) sentence = "NETWORK";
    else if (state == EAGAIN) sentence = "NETWORK_LATER";
    else if (length == 0) reason_of = 0;
}

/* Returns why a socket call failed with this error number of Linux or EAI code, a string, or NULL without an exception.
 * Forgets it. */
PyObject *faas_socket_reason(int error) {
    if (reason_of == 0 || faas_linux_errno(reason_of) != error) return NULL;
    reason_of = 0;
    PyObject *text = *reason ? PyUnicode_DecodeUTF8(reason, (Py_ssize_t)strlen(reason), "replace") : faas_absent_text(sentence);
    if (!text) PyErr_Clear();
    return text;
}

static int done(int error) {
    reason_of = 0;
    if (error == 0) return 0;
    if (error != EAGAIN && error != EINPROGRESS) remember(error);
    errno = error;
    return -1;
}

/* Sets errno and the reason of a call of the host that has failed (tls.c). */
int faas_socket_failed(int error) { return done(error); }

static int from_sockaddr(const struct sockaddr *sa, socklen_t length, Address *a) {
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

static socklen_t to_storage(const Address *a, struct sockaddr_storage *ss) {
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

static void to_sockaddr(const Address *a, struct sockaddr *sa, socklen_t *length) {
    struct sockaddr_storage ss;
    socklen_t size = to_storage(a, &ss);
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
    if (family != AF_INET && family != AF_INET6) return done(EAFNOSUPPORT);
    if (type != SOCK_STREAM && type != SOCK_DGRAM) return done(EPROTONOSUPPORT);
    if (protocol != 0 && protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP)) return done(EPROTONOSUPPORT);
    if (done(host_open(family, type, &fd)) < 0) return -1;
    if (flags & SOCK_NONBLOCK) not_blocking(fd);
    return fd;
}

int socketpair(int family, int type, int protocol, int fds[2]) {
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (family != AF_INET && family != AF_INET6) return done(EAFNOSUPPORT);
    if (protocol != 0) return done(EPROTONOSUPPORT);
    if (done(host_pair(type & ~flags, fds)) < 0) return -1;
    if (flags & SOCK_NONBLOCK) not_blocking(fds[0]), not_blocking(fds[1]);
    return 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    Address a;
    if (from_sockaddr(address, length, &a) < 0) return done(EAFNOSUPPORT);
    return done(host_connect(fd, &a));
}

static int no_server(void) {
    *reason = 0;
    sentence = "SERVERS";
    errno = reason_of = EACCES;
    return -1;
}

/* A socket may be bound to any address and port, as a client does, and to no other. */
int bind(int fd, const struct sockaddr *address, socklen_t length) {
    static const uint8_t any[16];
    Address a;
    int32_t type;
    if (done(host_getopt(fd, SOL_SOCKET, SO_TYPE, &type)) < 0) return -1;
    if (from_sockaddr(address, length, &a) < 0 || a.family == 0) return done(EAFNOSUPPORT);
    return a.port == 0 && memcmp(a.ip, any, sizeof any) == 0 ? 0 : no_server();
}

int listen(int fd, int backlog) {
    int32_t type;
    if (done(host_getopt(fd, SOL_SOCKET, SO_TYPE, &type)) < 0) return -1;
    return type == SOCK_STREAM ? no_server() : done(ENOTSUP);
}

static int name(int fd, int peer, struct sockaddr *sa, socklen_t *length) {
    Address a;
    if (done(host_name(fd, peer, &a)) < 0) return -1;
    to_sockaddr(&a, sa, length);
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
    if (to && from_sockaddr(to, length, &a) < 0) return done(EAFNOSUPPORT);
    return done(host_send(fd, data, size, flags, to ? &a : NULL, &sent)) < 0 ? -1 : (ssize_t)sent;
}

ssize_t recvfrom(int fd, void *restrict data, size_t size, int flags, struct sockaddr *restrict from, socklen_t *restrict length) {
    Address a = {0};
    size_t received;
    if (done(host_recv(fd, data, size, flags, from ? &a : NULL, &received)) < 0) return -1;
    if (from && length) to_sockaddr(&a, from, length);
    return (ssize_t)received;
}

/* The host has options of one number: a pair or a time is one, too. */
enum { LINGER_OFF = -1 };

int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
    int32_t number;
    if (!value) return done(EFAULT);
    if (level == SOL_SOCKET && option == SO_LINGER) {
        struct linger linger;
        if (length < sizeof linger) return done(EINVAL);
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
            return done(EINVAL);
        }
        if (wide[0] < 0 || wide[1] < 0 || wide[1] >= 1000000) return done(EDOM);
        int64_t milliseconds = wide[0] > INT32_MAX / 1000 ? INT32_MAX : wide[0] * 1000 + (wide[1] + 999) / 1000;
        number = milliseconds > INT32_MAX ? INT32_MAX : (int32_t)milliseconds;
    } else {
        if (length < sizeof number) return done(EINVAL);
        memcpy(&number, value, sizeof number);
    }
    return done(host_setopt(fd, level, option, number));
}

#undef getsockopt
int faas_getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict length) {
    int32_t number;
    if (done(host_getopt(fd, level, option, &number)) < 0) return -1;
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
    if (how < SHUT_RD || how > SHUT_RDWR) return done(EINVAL);
    /* __WASI_SDFLAGS_RD is 1, _WR is 2 */
    return done(__wasi_sock_shutdown(fd, (__wasi_sdflags_t)(how + 1)));
}

/* What the host says beside a socket's readiness, in the flags of an event: the first is WASI's. */
enum { EVENT_HANGUP = 1, EVENT_ERROR = 2, EVENT_NOT_READY = 4 };

static void subscribe(__wasi_subscription_t *s, int fd, nfds_t index, int writing) {
    memset(s, 0, sizeof *s);
    s->userdata = index;
    s->u.tag = writing ? __WASI_EVENTTYPE_FD_WRITE : __WASI_EVENTTYPE_FD_READ;
    if (writing) s->u.u.fd_write.file_descriptor = fd;
    else s->u.u.fd_read.file_descriptor = fd;
}

/* Waits for descriptors. A negative time waits without a limit. */
static int wait_for(struct pollfd *fds, nfds_t count, int64_t nanoseconds) {
    enum { FEW = 8 };
    __wasi_subscription_t few[FEW], *subscriptions = few;
    __wasi_event_t few_events[FEW], *events = few_events;
    size_t most = 2 * (size_t)count + 1, wanted = 0, got = 0;
    if (most > FEW) {
        subscriptions = malloc(most * (sizeof *subscriptions + sizeof *events));
        if (!subscriptions) return done(ENOMEM);
        events = (void *)(subscriptions + most);
    }
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        int out = fds[i].events & (POLLOUT | POLLWRNORM), in = fds[i].events & (POLLIN | POLLRDNORM | POLLPRI) || !out;
        if (in) subscribe(&subscriptions[wanted++], fds[i].fd, i, 0);
        if (out) subscribe(&subscriptions[wanted++], fds[i].fd, i, 1);
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
                int of = e->type == __WASI_EVENTTYPE_FD_WRITE ? POLLOUT | POLLWRNORM : POLLIN | POLLRDNORM;
                p->revents |= (short)(p->events & of);
            }
            if (flags & EVENT_HANGUP) p->revents |= POLLHUP;
            if (flags & EVENT_ERROR) p->revents |= POLLERR;
        }
        if (!was && p->revents) ready++;
    }
    if (subscriptions != few) free(subscriptions);
    return error ? done(error) : ready;
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
    if (count > sizeof few / sizeof *few && !(fds = malloc(count * sizeof *fds))) return done(ENOMEM);
    for (size_t i = 0; i < in; i++) fds[i] = (struct pollfd){readable->__fds[i], POLLIN, 0};
    for (size_t i = 0; i < out; i++) fds[in + i] = (struct pollfd){writable->__fds[i], POLLOUT, 0};
    int ready = wait_for(fds, count, timeout ? (int64_t)timeout->tv_sec * 1000000000 + (int64_t)timeout->tv_usec * 1000 : -1);
    for (size_t i = 0; ready > 0 && i < count; i++)
        if (fds[i].revents & POLLNVAL) ready = done(EBADF);
    if (ready >= 0) {
        ready = 0;
        if (readable) ready += keep(readable, fds, in, POLLIN, POLLIN | POLLHUP | POLLERR);
        if (writable) ready += keep(writable, fds + in, out, POLLOUT, POLLOUT | POLLERR);
        if (failed) FD_ZERO(failed); /* no urgent data */
    }
    if (fds != few) free(fds);
    return ready;
}

/* Addresses as text. */

static int libc_family(int family) {
    return family == AF_INET ? LIBC_AF_INET : family == AF_INET6 ? LIBC_AF_INET6 : -1;
}

#undef inet_pton
int faas_inet_pton(int family, const char *restrict text, void *restrict address) {
    return inet_pton(libc_family(family), text, address);
}

#undef inet_ntop
const char *faas_inet_ntop(int family, const void *restrict address, char *restrict text, socklen_t size) {
    return inet_ntop(libc_family(family), address, text, size);
}

char *inet_ntoa(struct in_addr address) {
    static char text[INET_ADDRSTRLEN];
    return (char *)faas_inet_ntop(AF_INET, &address, text, sizeof text);
}

/* Names. The one host is called localhost (runtime/sandbox, systemFiles). */

static const char this_host[] = "localhost";
static char *no_aliases[1];

int gethostname(char *text, size_t size) {
    if (size < sizeof this_host) return done(ENAMETOOLONG);
    memcpy(text, this_host, sizeof this_host);
    return 0;
}

static const struct {
    const char *name;
    uint16_t port;
    uint8_t tcp, udp;
} services[] = {
    {"ftp", 21, 1, 0}, {"ssh", 22, 1, 0}, {"telnet", 23, 1, 0}, {"smtp", 25, 1, 0}, {"domain", 53, 1, 1}, {"http", 80, 1, 0},
    {"pop3", 110, 1, 0}, {"ntp", 123, 0, 1}, {"imap2", 143, 1, 0}, {"snmp", 161, 1, 1}, {"ldap", 389, 1, 1}, {"https", 443, 1, 1},
    {"submissions", 465, 1, 0}, {"syslog", 514, 0, 1}, {"submission", 587, 1, 0}, {"ldaps", 636, 1, 1}, {"imaps", 993, 1, 0},
    {"pop3s", 995, 1, 0}, {"mysql", 3306, 1, 0}, {"postgresql", 5432, 1, 0}, {"amqp", 5672, 1, 0},
};
enum { SERVICES = sizeof services / sizeof *services };

/* Returns a service by its name, or by its port in the byte order of the machine if there is none. */
static struct servent *service(const char *wanted, int port, const char *protocol) {
    static struct servent found;
    for (int i = 0; i < SERVICES; i++) {
        if (wanted ? strcmp(services[i].name, wanted) != 0 : services[i].port != port) continue;
        if (protocol && !(strcmp(protocol, "tcp") == 0 ? services[i].tcp : strcmp(protocol, "udp") == 0 && services[i].udp)) continue;
        found = (struct servent){(char *)services[i].name, no_aliases, htons(services[i].port),
                                 (char *)(protocol ? protocol : services[i].tcp ? "tcp" : "udp")};
        return &found;
    }
    return NULL;
}

struct servent *getservbyname(const char *wanted, const char *protocol) {
    return service(wanted, 0, protocol);
}

struct servent *getservbyport(int port, const char *protocol) {
    return service(NULL, ntohs((uint16_t)port), protocol);
}

struct protoent *getprotobyname(const char *wanted) {
    static const struct { const char *name; int number; } protocols[] = {{"ip", 0}, {"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"ipv6-icmp", 58}};
    static struct protoent found;
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strcmp(protocols[i].name, wanted) == 0) {
            found = (struct protoent){(char *)protocols[i].name, no_aliases, protocols[i].number};
            return &found;
        }
    return NULL;
}

enum { MOST_ADDRESSES = 32 };

static const char *const local_names[] = {"", "localhost", "localhost.localdomain", "ip6-localhost"};

static size_t loopback(int family, int passive, Address *found) {
    size_t count = 0;
    if (family != AF_INET6) found[count++] = (Address){AF_INET, 0, 0, {passive ? 0 : 127, 0, 0, !passive}};
    if (family != AF_INET) found[count++] = (Address){AF_INET6, 0, 0, {[15] = !passive}};
    return count;
}

/* Returns 0 or an EAI code. The names of this host are known without a network. */
static int resolve(const char *host, int family, int flags, Address *found, size_t *count) {
    *count = 1;
    reason_of = 0;
    memset(found, 0, sizeof *found);
    if (inet_aton(host, (void *)found->ip)) {
        found->family = AF_INET;
        return family == AF_INET6 ? EAI_ADDRFAMILY : 0;
    }
    char numeric[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    if (zone && (size_t)(zone - host) < sizeof numeric) {
        memcpy(numeric, host, (size_t)(zone - host));
        numeric[zone - host] = 0;
    }
    if (faas_inet_pton(AF_INET6, zone && (size_t)(zone - host) < sizeof numeric ? numeric : host, found->ip) == 1) {
        found->family = AF_INET6;
        if (zone) found->scope = (uint32_t)strtoul(zone + 1, NULL, 10);
        return family == AF_INET ? EAI_ADDRFAMILY : 0;
    }
    if (flags & AI_NUMERICHOST) return EAI_NONAME;
    *count = MOST_ADDRESSES;
    int error = -host_resolve(host, strlen(host), family, found, count);
    if (error == 0) return *count > 0 ? 0 : EAI_NONAME;
    for (size_t i = 0; i < sizeof local_names / sizeof *local_names; i++)
        if (strcasecmp(host, local_names[i]) == 0) {
            *count = loopback(family, 0, found);
            return 0;
        }
    remember(error);
    return error;
}

typedef struct {
    struct addrinfo info;
    struct sockaddr_storage address;
} Found;

int getaddrinfo(const char *restrict host, const char *restrict service_name, const struct addrinfo *restrict hints,
                struct addrinfo **restrict result) {
    static const struct addrinfo none;
    static const struct { int type, protocol; } kinds[] = {{SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}};
    if (!hints) hints = &none;
    int family = hints->ai_family, flags = hints->ai_flags, type = hints->ai_socktype, protocol = hints->ai_protocol;
    if (!host && !service_name) return EAI_NONAME;
    if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6) return EAI_FAMILY;
    if (type != 0 && type != SOCK_STREAM && type != SOCK_DGRAM) return EAI_SOCKTYPE;
    uint16_t port = 0;
    if (service_name && *service_name) {
        char *end;
        unsigned long number = strtoul(service_name, &end, 10);
        struct servent *known;
        if (*end == 0) {
            if (number > UINT16_MAX) number &= UINT16_MAX;
            port = (uint16_t)number;
        } else if (!(flags & AI_NUMERICSERV) &&
                   (known = service(service_name, 0, type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : NULL))) {
            port = ntohs((uint16_t)known->s_port);
        } else {
            return flags & AI_NUMERICSERV ? EAI_NONAME : EAI_SERVICE;
        }
    }
    Address found[MOST_ADDRESSES];
    size_t count;
    int error = 0;
    if (!host) count = loopback(family, flags & AI_PASSIVE, found);
    else error = resolve(host, family, flags, found, &count);
    if (error) return error;
    struct addrinfo *first = NULL, **last = &first;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            if (type != 0 && type != kinds[k].type) continue;
            if (protocol != 0 && protocol != kinds[k].protocol) continue;
            Found *f = calloc(1, sizeof *f);
            if (!f) {
                freeaddrinfo(first);
                return EAI_MEMORY;
            }
            found[i].port = port;
            f->info.ai_family = found[i].family;
            f->info.ai_socktype = kinds[k].type;
            f->info.ai_protocol = kinds[k].protocol;
            f->info.ai_addrlen = to_storage(&found[i], &f->address);
            f->info.ai_addr = (struct sockaddr *)&f->address;
            *last = &f->info;
            last = &f->info.ai_next;
        }
    }
    if (!first) return EAI_SOCKTYPE;
    if (flags & AI_CANONNAME) {
        first->ai_canonname = strdup(host ? host : this_host);
        if (!first->ai_canonname) {
            freeaddrinfo(first);
            return EAI_MEMORY;
        }
    }
    *result = first;
    return 0;
}

void freeaddrinfo(struct addrinfo *list) {
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_canonname);
        free(list);
        list = next;
    }
}

/* The text of an EAI code, with the reason of the latest failure. Valid until the next call. */
const char *gai_strerror(int code) {
    static char text[sizeof reason + 64];
    static const char *const texts[] = {
        [-EAI_BADFLAGS] = "Bad value for ai_flags",
        [-EAI_NONAME] = "Name or service not known",
        [-EAI_AGAIN] = "Temporary failure in name resolution",
        [-EAI_FAIL] = "Non-recoverable failure in name resolution",
        [-EAI_NODATA] = "No address associated with hostname",
        [-EAI_FAMILY] = "ai_family not supported",
        [-EAI_SOCKTYPE] = "ai_socktype not supported",
        [-EAI_SERVICE] = "Servname not supported for ai_socktype",
        [-EAI_ADDRFAMILY] = "Address family for hostname not supported",
        [-EAI_MEMORY] = "Memory allocation failure",
        [-EAI_SYSTEM] = "System error",
        [-EAI_OVERFLOW] = "Argument buffer overflow",
    };
    const char *known = code < 0 && code >= EAI_OVERFLOW && texts[-code] ? texts[-code] : "Unknown error";
    PyObject *why = faas_socket_reason(code);
    const char *words = why ? PyUnicode_AsUTF8(why) : NULL;
    if (words) snprintf(text, sizeof text, "%s: %s", known, words);
    else snprintf(text, sizeof text, "%s", known);
    if (why && !words) PyErr_Clear();
    Py_XDECREF(why);
    return text;
}

int h_errno;

const char *hstrerror(int code) {
    switch (code) {
    case HOST_NOT_FOUND: return "Unknown host";
    case TRY_AGAIN: return "Host name lookup failure";
    case NO_RECOVERY: return "Unknown server error";
    case NO_DATA: return "No address associated with name";
    }
    return "Unknown resolver error";
}

static struct hostent *host_entry(const char *host, int family, const Address *found, size_t count) {
    static struct hostent entry;
    static char name_of[256], *list[MOST_ADDRESSES + 1];
    static uint8_t bytes[MOST_ADDRESSES][16];
    int length = family == AF_INET ? 4 : 16;
    snprintf(name_of, sizeof name_of, "%s", host);
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes[i], found[i].ip, (size_t)length);
        list[i] = (char *)bytes[i];
    }
    list[count] = NULL;
    entry = (struct hostent){name_of, no_aliases, family, length, list};
    return &entry;
}

struct hostent *gethostbyname(const char *host) {
    Address found[MOST_ADDRESSES];
    size_t count;
    int error = resolve(host, AF_INET, 0, found, &count);
    if (error == 0) return host_entry(host, AF_INET, found, count);
    h_errno = error == EAI_AGAIN ? TRY_AGAIN : error == EAI_FAIL ? NO_RECOVERY : HOST_NOT_FOUND;
    return NULL;
}

static int is_loopback(const Address *a) {
    static const uint8_t v6[16] = {[15] = 1};
    return a->family == AF_INET ? a->ip[0] == 127 : memcmp(a->ip, v6, sizeof v6) == 0;
}

/* Only this host's addresses have names. */
struct hostent *gethostbyaddr(const void *address, socklen_t length, int family) {
    Address a = {.family = (uint16_t)family};
    memcpy(a.ip, address, length < sizeof a.ip ? length : sizeof a.ip);
    if (is_loopback(&a)) return host_entry(this_host, family, &a, 1);
    h_errno = HOST_NOT_FOUND;
    return NULL;
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t length, char *restrict host, socklen_t host_size,
                char *restrict service_name, socklen_t service_size, int flags) {
    Address a;
    if (from_sockaddr(address, length, &a) < 0 || a.family == 0) return EAI_FAMILY;
    if (host && host_size) {
        if (!(flags & NI_NUMERICHOST) && is_loopback(&a)) {
            if (snprintf(host, host_size, "%s", this_host) >= (int)host_size) return EAI_OVERFLOW;
        } else if (flags & NI_NAMEREQD) {
            return EAI_NONAME;
        } else if (!faas_inet_ntop(a.family, a.ip, host, host_size)) {
            return EAI_OVERFLOW;
        }
    }
    if (service_name && service_size) {
        struct servent *known = flags & NI_NUMERICSERV ? NULL : service(NULL, a.port, flags & NI_DGRAM ? "udp" : "tcp");
        int n = known ? snprintf(service_name, service_size, "%s", known->s_name) : snprintf(service_name, service_size, "%d", a.port);
        if (n >= (int)service_size) return EAI_OVERFLOW;
    }
    return 0;
}
