/* What CPython's modules _socket and select need and the headers of the C library for WASI do not
 * have. ../build/flags.sh includes it before everything else when these two modules are compiled.
 *
 * The numbers are those of Linux, because Python programs see them. Where the C library has a
 * function with numbers of its own, a macro replaces it by one of net.c.
 */
#ifndef FAAS_NET_H
#define FAAS_NET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The families of addresses as the C library numbers them. */
enum { LIBC_AF_INET = AF_INET, LIBC_AF_INET6 = AF_INET6 };

#undef AF_UNSPEC
#undef AF_INET
#undef AF_INET6
#undef AF_UNIX
#define AF_UNSPEC 0
#define AF_INET 2
#define AF_INET6 10

#undef SOCK_STREAM
#undef SOCK_DGRAM
#undef SOCK_NONBLOCK
#undef SOCK_CLOEXEC
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000

#undef SHUT_RD
#undef SHUT_WR
#undef SHUT_RDWR
#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2

#undef MSG_PEEK
#undef MSG_TRUNC
#undef MSG_WAITALL
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000

#undef SOL_SOCKET
#undef SO_TYPE
#define SOL_SOCKET 1
#define SOL_TCP 6
#define SOL_UDP 17
#define SO_REUSEADDR 2
#define SO_TYPE 3
#define SO_ERROR 4
#define SO_BROADCAST 6
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_KEEPALIVE 9
#define SO_LINGER 13
#define SO_REUSEPORT 15
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#define SO_ACCEPTCONN 30
#define SO_PROTOCOL 38
#define SO_DOMAIN 39
#define SOMAXCONN 4096

#undef POLLIN
#undef POLLOUT
#undef POLLERR
#undef POLLHUP
#undef POLLNVAL
#undef POLLRDNORM
#undef POLLWRNORM
#define POLLIN 0x1
#define POLLPRI 0x2
#define POLLOUT 0x4
#define POLLERR 0x8
#define POLLHUP 0x10
#define POLLNVAL 0x20
#define POLLRDNORM 0x40
#define POLLRDBAND 0x80
#define POLLWRNORM 0x100
#define POLLWRBAND 0x200

/* Names and addresses: netdb.h. */
#define AI_PASSIVE 0x1
#define AI_CANONNAME 0x2
#define AI_NUMERICHOST 0x4
#define AI_V4MAPPED 0x8
#define AI_ALL 0x10
#define AI_ADDRCONFIG 0x20
#define AI_NUMERICSERV 0x400

#define NI_NUMERICHOST 0x1
#define NI_NUMERICSERV 0x2
#define NI_NOFQDN 0x4
#define NI_NAMEREQD 0x8
#define NI_DGRAM 0x10
#define NI_MAXHOST 1025
#define NI_MAXSERV 32

#define EAI_BADFLAGS -1
#define EAI_NONAME -2
#define EAI_AGAIN -3
#define EAI_FAIL -4
#define EAI_NODATA -5
#define EAI_FAMILY -6
#define EAI_SOCKTYPE -7
#define EAI_SERVICE -8
#define EAI_ADDRFAMILY -9
#define EAI_MEMORY -10
#define EAI_SYSTEM -11
#define EAI_OVERFLOW -12

#define HOST_NOT_FOUND 1
#define TRY_AGAIN 2
#define NO_RECOVERY 3
#define NO_DATA 4

/* Ancillary data: there is none, so that only the layout matters (message.c). */
#define SCM_RIGHTS 1
struct cmsghdr {
    socklen_t cmsg_len;
    int cmsg_level, cmsg_type;
};
#define CMSG_ALIGN(length) (((length) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
#define CMSG_LEN(length) (CMSG_ALIGN(sizeof(struct cmsghdr)) + (length))
#define CMSG_SPACE(length) (CMSG_ALIGN(sizeof(struct cmsghdr)) + CMSG_ALIGN(length))
#define CMSG_DATA(header) ((unsigned char *)((struct cmsghdr *)(header) + 1))
#define CMSG_FIRSTHDR(message) \
    ((message)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(message)->msg_control : NULL)
#define CMSG_NXTHDR(message, header) faas_next_header(message, header)

struct addrinfo {
    int ai_flags, ai_family, ai_socktype, ai_protocol;
    socklen_t ai_addrlen;
    struct sockaddr *ai_addr;
    char *ai_canonname;
    struct addrinfo *ai_next;
};

struct hostent {
    char *h_name;
    char **h_aliases;
    int h_addrtype, h_length;
    char **h_addr_list;
};
#define h_addr h_addr_list[0]

struct servent {
    char *s_name;
    char **s_aliases;
    int s_port;
    char *s_proto;
};

struct protoent {
    char *p_name;
    char **p_aliases;
    int p_proto;
};

extern int h_errno;

int socket(int family, int type, int protocol);
int socketpair(int family, int type, int protocol, int fds[2]);
int connect(int fd, const struct sockaddr *address, socklen_t length);
int bind(int fd, const struct sockaddr *address, socklen_t length);
int listen(int fd, int backlog);
int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict length);
int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict length);
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length);
ssize_t recvfrom(int fd, void *restrict data, size_t size, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict length);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t recvmsg(int fd, struct msghdr *message, int flags);
struct cmsghdr *faas_next_header(const struct msghdr *message, const struct cmsghdr *header);
int setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found);
void freeaddrinfo(struct addrinfo *list);
int getnameinfo(const struct sockaddr *restrict address, socklen_t length, char *restrict host, socklen_t host_size,
                char *restrict service, socklen_t service_size, int flags);
const char *gai_strerror(int code);
const char *hstrerror(int code);
int gethostname(char *name, size_t size);
struct hostent *gethostbyname(const char *name);
struct hostent *gethostbyaddr(const void *address, socklen_t length, int family);
struct servent *getservbyname(const char *name, const char *protocol);
struct servent *getservbyport(int port, const char *protocol);
struct protoent *getprotobyname(const char *name);
char *inet_ntoa(struct in_addr address);

int faas_getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict length);
int faas_shutdown(int fd, int how);
int faas_poll(struct pollfd *fds, nfds_t count, int milliseconds);
int faas_select(int most, fd_set *restrict readable, fd_set *restrict writable, fd_set *restrict failed,
                struct timeval *restrict timeout);
int faas_inet_pton(int family, const char *restrict text, void *restrict address);
const char *faas_inet_ntop(int family, const void *restrict address, char *restrict text, socklen_t size);

#define recv(fd, data, size, flags) recvfrom(fd, data, size, flags, NULL, NULL)
#define send(fd, data, size, flags) sendto(fd, data, size, flags, NULL, 0)
#define getsockopt(fd, level, name, value, length) faas_getsockopt(fd, level, name, value, length)
#define shutdown(fd, how) faas_shutdown(fd, how)
#define poll(fds, count, milliseconds) faas_poll(fds, count, milliseconds)
#define select(most, readable, writable, failed, timeout) faas_select(most, readable, writable, failed, timeout)
#define inet_pton(family, text, address) faas_inet_pton(family, text, address)
#define inet_ntop(family, address, text, size) faas_inet_ntop(family, address, text, size)

/* What configure would have found. */
#define HAVE_SOCKET 1
#define HAVE_SOCKETPAIR 1
#define HAVE_CONNECT 1
#define HAVE_BIND 1
#define HAVE_LISTEN 1
#define HAVE_GETSOCKNAME 1
#define HAVE_GETPEERNAME 1
#define HAVE_SENDTO 1
#define HAVE_RECVFROM 1
#define HAVE_SETSOCKOPT 1
#define HAVE_ADDRINFO 1
#define HAVE_GETADDRINFO 1
#define HAVE_GETNAMEINFO 1
#define HAVE_GAI_STRERROR 1
#define HAVE_HSTRERROR 1
#define HAVE_GETHOSTNAME 1
#define HAVE_GETHOSTBYNAME 1
#define HAVE_GETHOSTBYADDR 1
#define HAVE_GETSERVBYNAME 1
#define HAVE_GETSERVBYPORT 1
#define HAVE_GETPROTOBYNAME 1
#define HAVE_INET_NTOA 1
#define HAVE_SOCKADDR_STORAGE 1
#define ENABLE_IPV6 1

#endif
