/* Names and addresses: getaddrinfo and what belongs to it. The host resolves names
 * (runtime/sandbox/wasi, net.go); a look-up that a loop waits for is a descriptor, which is readable
 * once the host has the answer.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "names.h"
#include "sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (size < sizeof this_host) return faas_socket_done(ENAMETOOLONG);
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

/* Reads an address as text. Returns whether it is one; *error is 0, or an EAI code if it is of another family. */
static int numeric(const char *host, int family, Address *found, int *error) {
    char text[INET6_ADDRSTRLEN];
    memset(found, 0, sizeof *found);
    *error = 0;
    if (inet_aton(host, (void *)found->ip)) {
        found->family = AF_INET;
        if (family == AF_INET6) *error = EAI_ADDRFAMILY;
        return 1;
    }
    const char *zone = strchr(host, '%');
    int zoned = zone && (size_t)(zone - host) < sizeof text;
    if (zoned) {
        memcpy(text, host, (size_t)(zone - host));
        text[zone - host] = 0;
    }
    if (faas_inet_pton(AF_INET6, zoned ? text : host, found->ip) != 1) return 0;
    found->family = AF_INET6;
    if (zone) found->scope = (uint32_t)strtoul(zone + 1, NULL, 10);
    if (family == AF_INET) *error = EAI_ADDRFAMILY;
    return 1;
}

/* The descriptor of a look-up that the host has answered: resolve takes its result from there. */
static int answered = -1;

/* Returns 0 or an EAI code. The names of this host are known without a network. */
static int resolve(const char *host, int family, int flags, Address *found, size_t *count) {
    int error;
    faas_socket_forget();
    *count = 1;
    if (numeric(host, family, found, &error)) return error;
    if (flags & AI_NUMERICHOST) return EAI_NONAME;
    *count = MOST_ADDRESSES;
    error = answered < 0 ? host_resolve(host, strlen(host), family, found, count) : host_found(answered, found, count);
    if (error == 0) return *count > 0 ? 0 : EAI_NONAME;
    for (size_t i = 0; i < sizeof local_names / sizeof *local_names; i++)
        if (strcasecmp(host, local_names[i]) == 0) {
            *count = loopback(family, 0, found);
            return 0;
        }
    faas_socket_remember(-error);
    return -error;
}

PyObject *faas_look_up(PyObject *module, PyObject *args) {
    const char *host;
    int family, error, fd;
    Address address;
    if (!PyArg_ParseTuple(args, "si:look_up", &host, &family)) return NULL;
    if (numeric(host, family, &address, &error) || host_look_up(host, strlen(host), family, &fd) != 0) Py_RETURN_NONE;
    return PyLong_FromLong(fd);
}

PyObject *faas_answer(PyObject *module, PyObject *args) {
    if (!PyArg_ParseTuple(args, "i:answer", &answered)) return NULL;
    Py_RETURN_NONE;
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
            f->info.ai_addrlen = faas_to_storage(&found[i], &f->address);
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
    static char text[MOST_REASON + 64];
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
    if (faas_from_sockaddr(address, length, &a) < 0 || a.family == 0) return EAI_FAMILY;
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
