/*
 * Starts CNI plugins as a container runtime does and times each from its start to its end. Small, so that the time is the
 * plugin's and not the driver's: a process of Node takes milliseconds to start a child, this one some hundred microseconds.
 *
 *   cni-driver create PREFIX COUNT             makes the network namespaces /run/netns/PREFIX0 ... as `ip netns add` does
 *   cni-driver delete PREFIX COUNT             takes them away
 *   cni-driver run NODE serial|parallel <PLAN  runs a plan inside the network namespace /run/netns/NODE
 *
 * A line of the plan is one call: program, file for standard input, file for standard output, and NAME=VALUE for its
 * environment, separated by tabs. A line of the answer is one call: its place in the plan, exit status, nanoseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CALLS = 4096, MAX_FIELDS = 32, MAX_LINE = 65536 };

typedef struct {
    char *field[MAX_FIELDS + 1]; /* program, stdin, stdout, environment, NULL */
    pid_t pid;
    long long started, ended;
    int status;
} call_t;

static call_t calls[MAX_CALLS];

static void die(const char *what)
{
    fprintf(stderr, "cni-driver: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void enter(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) die(path);
    close(fd);
}

static void create(const char *prefix, int count)
{
    char path[256];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/run/netns/%s%d", prefix, i);
        int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
        if (fd < 0) die(path);
        close(fd);
        if (unshare(CLONE_NEWNET) != 0) die("unshare");
        if (mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) != 0) die(path);
    }
}

static void delete(const char *prefix, int count)
{
    char path[256];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/run/netns/%s%d", prefix, i);
        umount2(path, MNT_DETACH);
        unlink(path);
    }
}

static int read_plan(void)
{
    static char line[MAX_LINE];
    int count = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (count == MAX_CALLS) { errno = E2BIG; die("plan"); }
        line[strcspn(line, "\n")] = '\0';
        int fields = 0;
        for (char *rest = strdup(line), *part; (part = strsep(&rest, "\t")) != NULL;) {
            if (fields == MAX_FIELDS) { errno = E2BIG; die("plan"); }
            calls[count].field[fields++] = part;
        }
        if (fields < 3) { errno = EINVAL; die("plan"); }
        count++;
    }
    return count;
}

/* posix_spawn of glibc is a vfork: it costs the same however large the driver is, and returns once the program runs. */
static void start(call_t *call)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, call->field[1], O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, call->field[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char *argv[] = {call->field[0], NULL};
    call->started = now();
    int error = posix_spawn(&call->pid, call->field[0], &files, NULL, argv, call->field + 3);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0) { errno = error; die(call->field[0]); }
}

static void wait_for_one(int count)
{
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    long long ended = now();
    if (pid < 0) die("waitpid");
    for (int i = 0; i < count; i++) {
        if (calls[i].pid != pid) continue;
        calls[i].ended = ended;
        calls[i].status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: cni-driver create|delete PREFIX COUNT, or run NODE serial|parallel <PLAN\n", stderr);
        return 2;
    }
    if (strcmp(argv[1], "create") == 0) create(argv[2], atoi(argv[3]));
    else if (strcmp(argv[1], "delete") == 0) delete(argv[2], atoi(argv[3]));
    else {
        char path[256];
        snprintf(path, sizeof path, "/run/netns/%s", argv[2]);
        enter(path);
        int count = read_plan(), together = strcmp(argv[3], "parallel") == 0;
        for (int i = 0; i < count; i++) {
            start(&calls[i]);
            if (!together) wait_for_one(i + 1);
        }
        for (int i = 0; together && i < count; i++) wait_for_one(count);
        for (int i = 0; i < count; i++)
            printf("%d %d %lld\n", i, calls[i].status, calls[i].ended - calls[i].started);
    }
    return 0;
}
