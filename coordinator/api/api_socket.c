/* api_socket.c - see api_socket.h. */
#include "coordinator/api/api_socket.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static enum error_code make_address(const char *path, struct sockaddr_un *out, struct error *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] == '\0' || !text_copy(out->sun_path, sizeof(out->sun_path), path))
        return error_set(err, ERR_INVALID,
                         "socket %s: a unix socket's path has 1 to %zu bytes: name a shorter one",
                         path, sizeof(out->sun_path) - 1);
    return ERR_NONE;
}

/* Is anybody there? ERR_EXISTS: yes. A refusal tells that its last owner is gone. */
static enum error_code ask_owner(const struct sockaddr_un *address, struct error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    int failed = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    int errnum = failed ? errno : 0;
    close(fd);
    if (errnum == ECONNREFUSED || errnum == ENOENT)
        return ERR_NONE;
    return error_set(err, ERR_EXISTS,
                     "%s: another process listens on it: stop that one, or name another socket",
                     address->sun_path);
}

static enum error_code clear_name(const struct sockaddr_un *address, struct error *err)
{
    const char *path = address->sun_path;
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? ERR_NONE : error_errno(err, errno, "cannot look at %s", path);
    if (!S_ISSOCK(info.st_mode))
        return error_set(err, ERR_EXISTS,
                         "%s is there and is no socket: remove it, or name another socket", path);
    enum error_code code = ask_owner(address, err);
    if (!code && unlink(path) != 0 && errno != ENOENT)
        code = error_errno(err, errno, "cannot remove %s, which nobody listens on", path);
    return code;
}

/* The mode is set before anybody can connect. */
static enum error_code bind_and_listen(int fd, const struct sockaddr_un *address,
                                       struct api_socket *out, struct error *err)
{
    const char *path = address->sun_path;
    struct stat info;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return error_errno(err, errno,
                           "cannot listen on %s (its directory must be there, and ours to write)",
                           path);
    if (chmod(path, 0660) != 0 || stat(path, &info) != 0 || listen(fd, BACKLOG) != 0) {
        error_errno(err, errno, "cannot listen on %s", path);
        unlink(path);
        return err ? err->code : ERR_IO;
    }
    text_copy(out->path, sizeof(out->path), path);
    out->device = info.st_dev;
    out->inode = info.st_ino;
    out->fd = fd;
    return ERR_NONE;
}

enum error_code api_socket_open(const char *path, struct api_socket *out, struct error *err)
{
    struct sockaddr_un address;
    enum error_code code = make_address(path, &address, err);
    if (!code)
        code = clear_name(&address, err);
    if (code)
        return code;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    code = bind_and_listen(fd, &address, out, err);
    if (code)
        close(fd);
    return code;
}

void api_socket_remove(const struct api_socket *s)
{
    struct stat info;
    if (stat(s->path, &info) == 0 && info.st_dev == s->device && info.st_ino == s->inode)
        unlink(s->path);
}

const char *api_socket_peer(int fd, char *out, size_t size_bytes)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        text_copy(out, size_bytes, "unknown");
        return out;
    }
    struct passwd entry, *found = NULL;
    char buffer[4096];
    getpwuid_r(peer.uid, &entry, buffer, sizeof(buffer), &found);
    if (found && found->pw_name[0] != '\0' && text_is_utf8(found->pw_name, strlen(found->pw_name)))
        text_copy(out, size_bytes, found->pw_name);
    else
        text_format(out, size_bytes, "uid %u", (unsigned)peer.uid);
    return out;
}

/* ---- from afar ---- */

struct far_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t len;
};

static enum error_code parse_far(const char *listen, struct far_address *out, struct error *err)
{
    char host[64];
    const char *colon = strrchr(listen, ':');
    size_t len = colon ? (size_t)(colon - listen) : 0;
    bool brackets = len > 2 && listen[0] == '[' && listen[len - 1] == ']';
    uint64_t port = 0;
    *out = (struct far_address){.len = 0};
    if (colon && len < sizeof(host) && text_parse_u64(colon + 1, 0, 65535, &port)) {
        memcpy(host, listen + brackets, len - 2 * brackets);
        host[len - 2 * brackets] = '\0';
        if (brackets && inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
            out->v6.sin6_family = AF_INET6;
            out->v6.sin6_port = htons((uint16_t)port);
            out->len = sizeof(out->v6);
        } else if (!brackets && inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
            out->v4.sin_family = AF_INET;
            out->v4.sin_port = htons((uint16_t)port);
            out->len = sizeof(out->v4);
        }
    }
    if (out->len)
        return ERR_NONE;
    return error_set(err, ERR_INVALID,
                     "%s: expected ADDRESS:PORT, such as 0.0.0.0:7601 or [::]:7601", listen);
}

enum error_code api_socket_far_check(const char *listen, struct error *err)
{
    struct far_address address;
    return parse_far(listen, &address, err);
}

enum error_code api_socket_far(const char *listen_at, struct api_far_socket *out, struct error *err)
{
    struct far_address address;
    int on = 1;
    enum error_code code = parse_far(listen_at, &address, err);
    if (code)
        return code;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &address.any, address.len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &address.any, &address.len) != 0) {
        code = error_errno(err, errno, "cannot listen on %s", listen_at);
        close(fd);
        return code;
    }
    *out = (struct api_far_socket){
        .fd = fd,
        .port =
            ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port)};
    return ERR_NONE;
}

const char *api_socket_address(const struct sockaddr *address, char *out, size_t size_bytes)
{
    const void *bytes = NULL;
    if (address && address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address && address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (!bytes || !inet_ntop(address->sa_family, bytes, out, (socklen_t)size_bytes))
        text_copy(out, size_bytes, "unknown");
    return out;
}

void api_socket_network(const struct sockaddr *address, char out[DOOR_ADDRESS_MAX])
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    int family = address ? address->sa_family : AF_UNSPEC;
    door_name(family == AF_INET ? (const uint8_t *)&v4->sin_addr : NULL,
              family == AF_INET6 ? v6->sin6_addr.s6_addr : NULL, out);
}
