/*
 * podroute, the CNI plugin: hands the runtime's request to the daemon and prints the daemon's answer.
 *
 * Request:  4 octets length (big endian), then every CNI_* variable as NAME=VALUE and a NUL, one more NUL, standard input.
 * Reply:    4 octets length (big endian), then 1 octet exit code, then what goes to standard output.
 *
 * It decides nothing but the two answers that need no daemon: VERSION, and what to say while the daemon is away.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef PODROUTE_SOCKET
#define PODROUTE_SOCKET "/run/podroute/cni.sock"
#endif
enum { MAX_FRAME = 4 << 20, REPLY_SECONDS = 110, EXTRA = 4096 };

extern char **environ;

static const char versions[] =
    "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";

/* The daemon cannot be asked: STATUS says "not available" (50), everything else "try again later" (11). */
static int away(const char *command, const char *socket_path, const char *what, int error)
{
    printf("{\"cniVersion\":\"1.0.0\",\"code\":%d,\"msg\":\"podrouted, the node's network daemon, is not answering\","
           "\"details\":\"%s %s: %s. The runtime tries again by itself; if this lasts, look at podrouted on this node.\"}\n",
           strcmp(command, "STATUS") == 0 ? 50 : 11, what, socket_path, error == 0 ? "connection closed" : strerror(error));
    return 1;
}

static int refuse(int code, const char *message)
{
    printf("{\"cniVersion\":\"1.0.0\",\"code\":%d,\"msg\":\"%s\"}\n", code, message);
    return 1;
}

/* Moves `size` octets in or out, whole; 0 when done, else an errno, or -1 for an early end. */
static int move(int fd, char *data, size_t size, int out)
{
    while (size > 0) {
        ssize_t n = out ? send(fd, data, size, MSG_NOSIGNAL) : recv(fd, data, size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
        if (n == 0) return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static void put32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (char)(value >> (24 - 8 * i));
}

static uint32_t get32(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value = value << 8 | (unsigned char)at[i];
    return value;
}

int main(void)
{
    const char *command = getenv("CNI_COMMAND");
    if (command == NULL) return refuse(4, "CNI_COMMAND is not set: podroute is a CNI plugin and is started by a container runtime");
    if (strcmp(command, "VERSION") == 0) {
        fputs(versions, stdout);
        return 0;
    }

    const char *path = getenv("PODROUTE_SOCKET");
    if (path == NULL || *path == '\0') path = PODROUTE_SOCKET;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return refuse(4, "PODROUTE_SOCKET is longer than a socket path can be");
    strcpy(address.sun_path, path);

    size_t used = 4, room = 65536;
    for (char **e = environ; *e != NULL; e++) room += strlen(*e) + 1;
    char *frame = malloc(room);
    if (frame == NULL) return refuse(5, "out of memory");
    for (char **e = environ; *e != NULL; e++) {
        if (strncmp(*e, "CNI_", 4) != 0) continue;
        size_t length = strlen(*e) + 1;
        memcpy(frame + used, *e, length);
        used += length;
    }
    frame[used++] = '\0';
    for (;;) {
        if (room - used < EXTRA) {
            char *larger = room < MAX_FRAME ? realloc(frame, room *= 2) : NULL;
            if (larger == NULL) return refuse(5, "the request is too large");
            frame = larger;
        }
        ssize_t n = read(STDIN_FILENO, frame + used, room - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return refuse(5, "standard input cannot be read");
        if (n == 0) break;
        used += (size_t)n;
    }
    put32(frame, (uint32_t)(used - 4));

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return away(command, path, "socket for", errno);
    struct timeval limit = {.tv_sec = REPLY_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) return away(command, path, "connecting to", errno);
    int error = move(fd, frame, used, 1);
    if (error != 0) return away(command, path, "writing to", error < 0 ? 0 : error);

    char head[4];
    error = move(fd, head, sizeof head, 0);
    uint32_t length = error == 0 ? get32(head) : 0;
    char *reply = length >= 1 && length <= MAX_FRAME ? malloc(length) : NULL;
    if (error == 0 && reply == NULL) return refuse(6, "podrouted sent a reply of impossible length");
    if (error == 0) error = move(fd, reply, length, 0);
    if (error != 0) return away(command, path, "reading from", error < 0 ? 0 : error);
    fwrite(reply + 1, 1, length - 1, stdout);
    return fflush(stdout) == 0 ? (unsigned char)reply[0] : 1;
}
