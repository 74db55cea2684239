/* sendmsg and recvmsg: messages in several buffers. There is no ancillary data: it carries descriptors
 * and credentials to other processes, and sending any is refused.
 */
#include "sockets.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* A datagram has at most 65,507 bytes. */
enum { MOST_DATAGRAM = 65536 };

struct cmsghdr *faas_next_header(const struct msghdr *message, const struct cmsghdr *header) {
    size_t at = (size_t)((const char *)header - (const char *)message->msg_control), size = CMSG_ALIGN(header->cmsg_len);
    if (header->cmsg_len < sizeof *header || size > message->msg_controllen - at) return NULL;
    if (message->msg_controllen - at - size < sizeof *header) return NULL;
    return (struct cmsghdr *)((char *)header + size);
}

/* Returns whether a socket is a stream, or -1. */
static int is_stream(int fd) {
    int32_t type;
    if (faas_socket_done(host_getopt(fd, SOL_SOCKET, SO_TYPE, &type)) < 0) return -1;
    return type == SOCK_STREAM;
}

/* Returns the number of bytes of the buffers, or -1 if it is no ssize_t. */
static ssize_t size_of(const struct msghdr *message) {
    size_t size = 0;
    for (int i = 0; i < message->msg_iovlen; i++) {
        size_t n = message->msg_iov[i].iov_len;
        if (n > SSIZE_MAX - size) return faas_socket_done(EINVAL);
        size += n;
    }
    return (ssize_t)size;
}

/* MSG_MORE of Linux: the next buffer goes out with this one. */
enum { MORE = 0x8000 };

/* Sends the buffers of a stream one after the other, until one is not sent completely. */
static ssize_t send_stream(int fd, const struct msghdr *message, int flags, const Address *to) {
    size_t sent = 0;
    int last = message->msg_iovlen - 1;
    while (last > 0 && message->msg_iov[last].iov_len == 0) last--;
    for (int i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *v = &message->msg_iov[i];
        size_t n = 0;
        if (v->iov_len == 0) continue;
        int error = host_send(fd, v->iov_base, v->iov_len, i < last ? flags | MORE : flags, to, &n);
        if (error) return sent > 0 ? (ssize_t)sent : faas_socket_done(error);
        sent += n;
        if (n < v->iov_len) break;
    }
    return (ssize_t)sent;
}

static ssize_t send_datagram(int fd, const struct msghdr *message, size_t size, int flags, const Address *to) {
    char *data = malloc(size + 1), *end = data;
    size_t sent = 0;
    if (!data) return faas_socket_done(ENOMEM);
    for (int i = 0; i < message->msg_iovlen; i++) {
        memcpy(end, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
        end += message->msg_iov[i].iov_len;
    }
    int error = host_send(fd, data, size, flags, to, &sent);
    free(data);
    return faas_socket_done(error) < 0 ? -1 : (ssize_t)sent;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    Address address, *to = NULL;
    int stream = is_stream(fd);
    ssize_t size = size_of(message);
    if (stream < 0 || size < 0) return -1;
    if (message->msg_controllen > 0) return faas_socket_refuse("ANCILLARY");
    if (message->msg_name && message->msg_namelen > 0) {
        to = &address;
        if (faas_from_sockaddr(message->msg_name, message->msg_namelen, to) < 0) return faas_socket_done(EAFNOSUPPORT);
    }
    if (stream && size > 0) return send_stream(fd, message, flags, to);
    if (size > MOST_DATAGRAM) return faas_socket_done(EMSGSIZE);
    return send_datagram(fd, message, (size_t)size, flags, to);
}

/* Receives into the buffers of a stream one after the other; only the first waits. */
static ssize_t receive_stream(int fd, struct msghdr *message, int flags) {
    size_t received = 0;
    for (int i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *v = &message->msg_iov[i];
        size_t n = 0;
        if (v->iov_len == 0) continue;
        int error = host_recv(fd, v->iov_base, v->iov_len, received > 0 && !(flags & MSG_WAITALL) ? flags | MSG_DONTWAIT : flags, NULL, &n);
        if (error) return received > 0 ? (ssize_t)received : faas_socket_done(error);
        received += n;
        if (n < v->iov_len || flags & MSG_PEEK) break;
    }
    return (ssize_t)received;
}

static ssize_t receive_datagram(int fd, struct msghdr *message, size_t size, int flags) {
    if (size > MOST_DATAGRAM) size = MOST_DATAGRAM;
    Address from = {0};
    char *data = malloc(size + 1), *at = data;
    size_t length = 0;
    if (!data) return faas_socket_done(ENOMEM);
    /* MSG_TRUNC: the length that the datagram had. */
    int error = host_recv(fd, data, size, flags | MSG_TRUNC, &from, &length);
    size_t received = length < size ? length : size;
    for (int i = 0; error == 0 && i < message->msg_iovlen && received > (size_t)(at - data); i++) {
        const struct iovec *v = &message->msg_iov[i];
        size_t left = received - (size_t)(at - data), n = v->iov_len < left ? v->iov_len : left;
        memcpy(v->iov_base, at, n);
        at += n;
    }
    free(data);
    if (faas_socket_done(error) < 0) return -1;
    if (length > received) message->msg_flags |= MSG_TRUNC;
    if (message->msg_name) faas_to_sockaddr(&from, message->msg_name, &message->msg_namelen);
    return (ssize_t)(flags & MSG_TRUNC ? length : received);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    int stream = is_stream(fd);
    ssize_t size = size_of(message);
    if (stream < 0 || size < 0) return -1;
    message->msg_flags = 0;
    message->msg_controllen = 0;
    if (stream) {
        message->msg_namelen = 0;
        return receive_stream(fd, message, flags);
    }
    return receive_datagram(fd, message, (size_t)size, flags);
}
