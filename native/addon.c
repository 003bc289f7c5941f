/*
 * A thin N-API addon over socket calls, network namespaces and uv_poll. No protocol knowledge, no global state: what an
 * environment (main thread or worker) owns hangs on its instance data. Functions give a number of 0 or more, or a negated
 * errno; only wrong arguments throw.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAPI_VERSION 8
#include <node_api.h>
#include <uv.h>

#define MAX_ARGS 7

/* ---- arguments ---- */

typedef struct {
  napi_value v[MAX_ARGS];
  size_t count;
} args_t;

typedef struct {
  uint8_t *data;
  size_t length;
} octets_t;

static int get_args(napi_env env, napi_callback_info info, size_t wanted, args_t *args) {
  args->count = MAX_ARGS;
  if (napi_get_cb_info(env, info, &args->count, args->v, NULL, NULL) != napi_ok) return 0;
  if (args->count < wanted) {
    napi_throw_type_error(env, NULL, "too few arguments");
    return 0;
  }
  return 1;
}

static int get_int(napi_env env, napi_value value, int *out) {
  int32_t number;
  if (napi_get_value_int32(env, value, &number) != napi_ok) {
    napi_throw_type_error(env, NULL, "a number is wanted");
    return 0;
  }
  *out = number;
  return 1;
}

/* A Uint8Array (or Int32Array, where `type` says so); the memory is valid until JavaScript runs again. */
static int get_array(napi_env env, napi_value value, napi_typedarray_type type, octets_t *out) {
  napi_typedarray_type seen;
  size_t length;
  void *data;
  bool is = false;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is ||
      napi_get_typedarray_info(env, value, &seen, &length, &data, NULL, NULL) != napi_ok || seen != type) {
    napi_throw_type_error(env, NULL, type == napi_uint8_array ? "a Uint8Array is wanted" : "an Int32Array is wanted");
    return 0;
  }
  out->data = data;
  out->length = length;
  return 1;
}

static int get_octets(napi_env env, napi_value value, octets_t *out) {
  return get_array(env, value, napi_uint8_array, out);
}

/* An Int32Array of at least three numbers. */
static int get_status(napi_env env, napi_value value, int32_t **out) {
  octets_t array;
  if (!get_array(env, value, napi_int32_array, &array)) return 0;
  if (array.length < 3) {
    napi_throw_range_error(env, NULL, "an Int32Array of 3 is wanted");
    return 0;
  }
  *out = (int32_t *)array.data;
  return 1;
}

/* buffer, offset, length at v[at..at+2], checked against the buffer. */
static int get_range(napi_env env, const args_t *args, size_t at, octets_t *out) {
  octets_t whole;
  int64_t offset, length;
  if (!get_octets(env, args->v[at], &whole)) return 0;
  if (napi_get_value_int64(env, args->v[at + 1], &offset) != napi_ok ||
      napi_get_value_int64(env, args->v[at + 2], &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "a number is wanted");
    return 0;
  }
  if (offset < 0 || length < 0 || (uint64_t)offset > whole.length || (uint64_t)length > whole.length - (uint64_t)offset) {
    napi_throw_range_error(env, NULL, "range outside the buffer");
    return 0;
  }
  out->data = whole.data + offset;
  out->length = (size_t)length;
  return 1;
}

static napi_value number(napi_env env, int64_t value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

static napi_value outcome(napi_env env, int64_t result) {
  return number(env, result < 0 ? -errno : result);
}

/* ---- network namespaces ---- */

/* Puts the calling thread into `netns`; what it left, to go back to, or a negated errno. */
static int enter_netns(int netns) {
  int before = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (before < 0) return -errno;
  if (setns(netns, CLONE_NEWNET) < 0) {
    int error = errno;
    close(before);
    return -error;
  }
  return before;
}

/* The thread serves everything else too: in the wrong namespace it would do harm, so there is no way on but back. */
static void leave_netns(int before) {
  if (setns(before, CLONE_NEWNET) < 0) {
    perror("podroute: cannot return to the network namespace");
    abort();
  }
  close(before);
}

static napi_value open_netns(napi_env env, napi_callback_info info) {
  args_t args;
  char path[4096];
  size_t length;
  if (!get_args(env, info, 1, &args)) return NULL;
  if (napi_get_value_string_utf8(env, args.v[0], path, sizeof path, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "a path is wanted");
    return NULL;
  }
  if (length >= sizeof path - 1 || strlen(path) != length) return number(env, -EINVAL);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return number(env, -errno);
  if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
    close(fd);
    return number(env, -EINVAL);
  }
  return number(env, fd);
}

static napi_value with_netns(napi_env env, napi_callback_info info) {
  args_t args;
  int netns;
  napi_value undefined;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &netns)) return NULL;
  napi_get_undefined(env, &undefined);
  int before = enter_netns(netns);
  if (before < 0) return number(env, before);
  napi_status status = napi_call_function(env, undefined, args.v[1], 0, NULL, NULL);
  leave_netns(before);
  if (status == napi_ok) return number(env, 0);
  /* What the function threw is still pending and goes on to the caller; anything else is a wrong argument. */
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_type_error(env, NULL, "a function is wanted");
  return NULL;
}

static napi_value if_name_to_index(napi_env env, napi_callback_info info) {
  args_t args;
  char name[IF_NAMESIZE + 1];
  size_t length;
  if (!get_args(env, info, 1, &args)) return NULL;
  if (napi_get_value_string_utf8(env, args.v[0], name, sizeof name, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "a name is wanted");
    return NULL;
  }
  if (length >= IF_NAMESIZE) return number(env, -ENODEV);
  unsigned index = if_nametoindex(name);
  return number(env, index == 0 ? -errno : (int64_t)index);
}

/* ---- sockets ---- */

static napi_value sock_socket(napi_env env, napi_callback_info info) {
  args_t args;
  int domain, type, protocol, netns, before = -1;
  if (!get_args(env, info, 4, &args) || !get_int(env, args.v[0], &domain) || !get_int(env, args.v[1], &type) ||
      !get_int(env, args.v[2], &protocol) || !get_int(env, args.v[3], &netns))
    return NULL;
  if (netns >= 0) {
    before = enter_netns(netns);
    if (before < 0) return number(env, before);
  }
  int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
  int error = errno;
  if (before >= 0) leave_netns(before);
  return number(env, fd < 0 ? -error : fd);
}

static napi_value sock_close(napi_env env, napi_callback_info info) {
  args_t args;
  int fd;
  if (!get_args(env, info, 1, &args) || !get_int(env, args.v[0], &fd)) return NULL;
  return outcome(env, close(fd));
}

static napi_value sock_bind(napi_env env, napi_callback_info info) {
  args_t args;
  int fd;
  octets_t address;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd) || !get_octets(env, args.v[1], &address)) return NULL;
  return outcome(env, bind(fd, (struct sockaddr *)address.data, (socklen_t)address.length));
}

static napi_value sock_connect(napi_env env, napi_callback_info info) {
  args_t args;
  int fd;
  octets_t address;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd) || !get_octets(env, args.v[1], &address)) return NULL;
  return outcome(env, connect(fd, (struct sockaddr *)address.data, (socklen_t)address.length));
}

static napi_value sock_listen(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, backlog;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd) || !get_int(env, args.v[1], &backlog)) return NULL;
  return outcome(env, listen(fd, backlog));
}

static napi_value sock_accept4(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, flags, accepted;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd) || !get_int(env, args.v[1], &flags)) return NULL;
  do accepted = accept4(fd, NULL, NULL, flags | SOCK_CLOEXEC);
  while (accepted < 0 && (errno == EINTR || errno == ECONNABORTED));
  return outcome(env, accepted);
}

static napi_value sock_shutdown(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, how;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd) || !get_int(env, args.v[1], &how)) return NULL;
  return outcome(env, shutdown(fd, how));
}

static napi_value sock_setsockopt(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, level, name, value;
  octets_t octets;
  napi_valuetype type;
  if (!get_args(env, info, 4, &args) || !get_int(env, args.v[0], &fd) || !get_int(env, args.v[1], &level) ||
      !get_int(env, args.v[2], &name) || napi_typeof(env, args.v[3], &type) != napi_ok)
    return NULL;
  if (type == napi_number) {
    if (!get_int(env, args.v[3], &value)) return NULL;
    return outcome(env, setsockopt(fd, level, name, &value, sizeof value));
  }
  if (!get_octets(env, args.v[3], &octets)) return NULL;
  return outcome(env, setsockopt(fd, level, name, octets.data, (socklen_t)octets.length));
}

/* Octets of `struct sock_filter`s; apart from setsockopt because the option holds a pointer to them. */
static napi_value sock_attach_filter(napi_env env, napi_callback_info info) {
  args_t args;
  int fd;
  octets_t program;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd) || !get_octets(env, args.v[1], &program)) return NULL;
  size_t count = program.length / sizeof(struct sock_filter);
  if (program.length % sizeof(struct sock_filter) != 0 || count == 0 || count > BPF_MAXINSNS) return number(env, -EINVAL);
  struct sock_fprog filter = {.len = (unsigned short)count, .filter = (struct sock_filter *)program.data};
  return outcome(env, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
}

/* Octets that the option has. */
static napi_value sock_getsockopt(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, level, name;
  octets_t octets;
  if (!get_args(env, info, 4, &args) || !get_int(env, args.v[0], &fd) || !get_int(env, args.v[1], &level) ||
      !get_int(env, args.v[2], &name) || !get_octets(env, args.v[3], &octets))
    return NULL;
  socklen_t length = (socklen_t)octets.length;
  int result = getsockopt(fd, level, name, octets.data, &length);
  return outcome(env, result < 0 ? -1 : (int64_t)length);
}

/* Octets that the address has, never more than were asked for. */
static napi_value name_of(napi_env env, napi_callback_info info, int (*call)(int, struct sockaddr *, socklen_t *)) {
  args_t args;
  int fd;
  octets_t address;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd) || !get_octets(env, args.v[1], &address)) return NULL;
  socklen_t length = (socklen_t)address.length;
  if (call(fd, (struct sockaddr *)address.data, &length) < 0) return number(env, -errno);
  return number(env, length < address.length ? (int64_t)length : (int64_t)address.length);
}

static napi_value sock_getsockname(napi_env env, napi_callback_info info) {
  return name_of(env, info, getsockname);
}

static napi_value sock_getpeername(napi_env env, napi_callback_info info) {
  return name_of(env, info, getpeername);
}

static napi_value sock_send(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, flags;
  octets_t range;
  if (!get_args(env, info, 5, &args) || !get_int(env, args.v[0], &fd) || !get_range(env, &args, 1, &range) ||
      !get_int(env, args.v[4], &flags))
    return NULL;
  ssize_t sent;
  do sent = send(fd, range.data, range.length, flags | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return outcome(env, sent);
}

static napi_value sock_sendto(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, flags;
  octets_t range, address;
  if (!get_args(env, info, 6, &args) || !get_int(env, args.v[0], &fd) || !get_range(env, &args, 1, &range) ||
      !get_int(env, args.v[4], &flags) || !get_octets(env, args.v[5], &address))
    return NULL;
  ssize_t sent;
  do
    sent = sendto(fd, range.data, range.length, flags | MSG_NOSIGNAL, (struct sockaddr *)address.data,
                  (socklen_t)address.length);
  while (sent < 0 && errno == EINTR);
  return outcome(env, sent);
}

static napi_value sock_recv(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, flags;
  octets_t range;
  if (!get_args(env, info, 5, &args) || !get_int(env, args.v[0], &fd) || !get_range(env, &args, 1, &range) ||
      !get_int(env, args.v[4], &flags))
    return NULL;
  ssize_t received;
  do received = recv(fd, range.data, range.length, flags);
  while (received < 0 && errno == EINTR);
  return outcome(env, received);
}

/* info: octets of the address, octets of control messages, flags. */
static napi_value sock_recvmsg(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, flags;
  octets_t data, address, control;
  int32_t *status;
  if (!get_args(env, info, 6, &args) || !get_int(env, args.v[0], &fd) || !get_octets(env, args.v[1], &data) ||
      !get_int(env, args.v[2], &flags) || !get_octets(env, args.v[3], &address) || !get_octets(env, args.v[4], &control) ||
      !get_status(env, args.v[5], &status))
    return NULL;
  struct iovec iov = {.iov_base = data.data, .iov_len = data.length};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  ssize_t received;
  do {
    message.msg_name = address.data;
    message.msg_namelen = (socklen_t)address.length;
    message.msg_control = control.data;
    message.msg_controllen = control.length;
    received = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return number(env, -errno);
  status[0] = message.msg_namelen < address.length ? (int32_t)message.msg_namelen : (int32_t)address.length;
  status[1] = (int32_t)message.msg_controllen;
  status[2] = message.msg_flags;
  return number(env, received);
}

/* status: errno that ended the call or 0, messages, 1 = one was cut short | 2 = end of stream. */
static napi_value sock_drain(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, offset, room;
  octets_t buffer;
  int32_t *status;
  if (!get_args(env, info, 5, &args) || !get_int(env, args.v[0], &fd) || !get_octets(env, args.v[1], &buffer) ||
      !get_int(env, args.v[2], &offset) || !get_int(env, args.v[3], &room) || !get_status(env, args.v[4], &status))
    return NULL;
  if (offset < 0 || (size_t)offset > buffer.length || room < 1) {
    napi_throw_range_error(env, NULL, "range outside the buffer");
    return NULL;
  }
  size_t at = (size_t)offset;
  status[0] = status[1] = status[2] = 0;
  while (buffer.length - at >= (size_t)room) {
    struct iovec iov = {.iov_base = buffer.data + at, .iov_len = buffer.length - at};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t received = recvmsg(fd, &message, MSG_DONTWAIT);
    if (received < 0) {
      if (errno == EINTR) continue;
      status[0] = errno;
      break;
    }
    status[1]++;
    if (message.msg_flags & MSG_TRUNC) status[2] |= 1;
    if (received == 0) {
      status[2] |= 2;
      break;
    }
    at += (size_t)received;
  }
  return number(env, (int64_t)(at - (size_t)offset));
}

#define EVENT_ERROR 0x80

static napi_value sock_poll(napi_env env, napi_callback_info info) {
  args_t args;
  int fd, events, timeout;
  if (!get_args(env, info, 3, &args) || !get_int(env, args.v[0], &fd) || !get_int(env, args.v[1], &events) ||
      !get_int(env, args.v[2], &timeout))
    return NULL;
  struct pollfd poller = {.fd = fd};
  if (events & UV_READABLE) poller.events |= POLLIN;
  if (events & UV_WRITABLE) poller.events |= POLLOUT;
  if (events & UV_DISCONNECT) poller.events |= POLLRDHUP;
  uint64_t end = uv_hrtime() / 1000000 + (timeout > 0 ? (uint64_t)timeout : 0);
  int ready;
  for (;;) {
    ready = poll(&poller, 1, timeout);
    if (ready >= 0 || errno != EINTR) break;
    if (timeout > 0) {
      uint64_t now = uv_hrtime() / 1000000;
      timeout = now >= end ? 0 : (int)(end - now);
    }
  }
  if (ready < 0) return number(env, -errno);
  int seen = 0;
  if (poller.revents & POLLIN) seen |= UV_READABLE;
  if (poller.revents & POLLOUT) seen |= UV_WRITABLE;
  if (poller.revents & (POLLRDHUP | POLLHUP)) seen |= UV_DISCONNECT;
  if (poller.revents & (POLLERR | POLLNVAL)) seen |= EVENT_ERROR;
  return number(env, seen);
}

static napi_value sock_set_non_blocking(napi_env env, napi_callback_info info) {
  args_t args;
  int fd;
  bool on;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd)) return NULL;
  if (napi_get_value_bool(env, args.v[1], &on) != napi_ok) {
    napi_throw_type_error(env, NULL, "a boolean is wanted");
    return NULL;
  }
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return number(env, -errno);
  return outcome(env, fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

/* ---- watchers: uv_poll ---- */

/*
 * Who frees what. A watcher that is open is never collected: it holds its JavaScript handle and callback until closed. It
 * lives until its uv handle is closed and its JavaScript handle is collected, whichever is later. The state of the environment lives until the environment is gone and the last watcher closed. While watchers are
 * open at teardown, the cleanup hook closes them and keeps the environment waiting until the loop has let go.
 */
typedef struct watcher watcher_t;

typedef struct {
  napi_env env;
  uv_loop_t *loop;
  watcher_t *watchers;
  napi_async_cleanup_hook_handle hook;
  bool ending, gone;
} state_t;

struct watcher {
  uv_poll_t poll;
  state_t *state;
  watcher_t *next, **link;
  napi_ref callback, handle;
  napi_async_context context;
  int events;
  bool open, closing, collected;
};

static void free_state_if_unused(state_t *state) {
  if (state->watchers != NULL) return;
  if (state->ending && state->hook != NULL) {
    napi_async_cleanup_hook_handle hook = state->hook;
    state->hook = NULL;
    napi_remove_async_cleanup_hook(hook);
  }
  if (state->gone) free(state);
}

static void watcher_closed(uv_handle_t *handle) {
  watcher_t *watcher = handle->data;
  state_t *state = watcher->state;
  /* Not earlier: a callback that closes its own watcher still runs in this context. */
  if (watcher->context != NULL) napi_async_destroy(state->env, watcher->context);
  watcher->context = NULL;
  watcher->open = false;
  *watcher->link = watcher->next;
  if (watcher->next != NULL) watcher->next->link = watcher->link;
  if (watcher->collected) free(watcher);
  free_state_if_unused(state);
}

static void watcher_close(watcher_t *watcher) {
  if (watcher->closing) return;
  watcher->closing = true;
  napi_env env = watcher->state->env;
  if (watcher->callback != NULL) {
    napi_delete_reference(env, watcher->callback);
    watcher->callback = NULL;
  }
  if (watcher->handle != NULL) {
    napi_delete_reference(env, watcher->handle);
    watcher->handle = NULL;
  }
  uv_close((uv_handle_t *)&watcher->poll, watcher_closed);
}

static void watcher_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  watcher_t *watcher = data;
  watcher->collected = true;
  if (!watcher->open) free(watcher);
  else watcher_close(watcher);
}

static void watcher_event(uv_poll_t *poll, int status, int events) {
  watcher_t *watcher = poll->data;
  napi_env env = watcher->state->env;
  if (watcher->closing || watcher->callback == NULL) return;
  if (status < 0) {
    /* libuv takes an error on the descriptor for a reason to stop; here it is news, to be read by the callback. */
    events = watcher->events | EVENT_ERROR;
    uv_poll_start(poll, watcher->events, watcher_event);
  }
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback, receiver, argument;
  if (napi_get_reference_value(env, watcher->callback, &callback) == napi_ok && callback != NULL &&
      napi_create_object(env, &receiver) == napi_ok && napi_create_int32(env, events, &argument) == napi_ok &&
      napi_make_callback(env, watcher->context, receiver, callback, 1, &argument, NULL) == napi_pending_exception) {
    napi_value thrown;
    /* An uncaught exception like any other; not in an environment that is being stopped. */
    if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
  }
  napi_close_handle_scope(env, scope);
}

static napi_value watch_open(napi_env env, napi_callback_info info) {
  args_t args;
  int fd;
  napi_valuetype type;
  state_t *state;
  if (!get_args(env, info, 2, &args) || !get_int(env, args.v[0], &fd)) return NULL;
  if (napi_typeof(env, args.v[1], &type) != napi_ok || type != napi_function) {
    napi_throw_type_error(env, NULL, "a function is wanted");
    return NULL;
  }
  if (napi_get_instance_data(env, (void **)&state) != napi_ok || state == NULL || state->ending) return number(env, -ECANCELED);
  watcher_t *watcher = calloc(1, sizeof *watcher);
  if (watcher == NULL) return number(env, -ENOMEM);
  int error = uv_poll_init(state->loop, &watcher->poll, fd);
  if (error < 0) {
    free(watcher);
    return number(env, error);
  }
  watcher->poll.data = watcher;
  watcher->state = state;
  watcher->open = true;
  watcher->next = state->watchers;
  watcher->link = &state->watchers;
  if (watcher->next != NULL) watcher->next->link = &watcher->next;
  state->watchers = watcher;

  napi_value name, handle = NULL;
  if (napi_create_reference(env, args.v[1], 1, &watcher->callback) != napi_ok ||
      napi_create_string_utf8(env, "podroute:watch", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &watcher->context) != napi_ok ||
      napi_create_external(env, watcher, watcher_collected, NULL, &handle) != napi_ok) {
    watcher->collected = true;
    watcher_close(watcher);
    return number(env, -ENOMEM);
  }
  if (napi_create_reference(env, handle, 1, &watcher->handle) != napi_ok) {
    watcher_close(watcher);
    return number(env, -ENOMEM);
  }
  return handle;
}

static watcher_t *get_watcher(napi_env env, napi_value value) {
  void *watcher = NULL;
  if (napi_get_value_external(env, value, &watcher) != napi_ok) {
    napi_throw_type_error(env, NULL, "a watcher is wanted");
    return NULL;
  }
  return watcher;
}

static napi_value watch_start(napi_env env, napi_callback_info info) {
  args_t args;
  int events;
  watcher_t *watcher;
  if (!get_args(env, info, 2, &args) || (watcher = get_watcher(env, args.v[0])) == NULL || !get_int(env, args.v[1], &events))
    return NULL;
  if (watcher->closing) return number(env, -EBADF);
  watcher->events = events & (UV_READABLE | UV_WRITABLE | UV_DISCONNECT);
  return number(env, uv_poll_start(&watcher->poll, watcher->events, watcher_event));
}

static napi_value watch_stop(napi_env env, napi_callback_info info) {
  args_t args;
  watcher_t *watcher;
  if (!get_args(env, info, 1, &args) || (watcher = get_watcher(env, args.v[0])) == NULL) return NULL;
  return number(env, watcher->closing ? 0 : uv_poll_stop(&watcher->poll));
}

static napi_value watch_ref(napi_env env, napi_callback_info info) {
  args_t args;
  bool on;
  watcher_t *watcher;
  if (!get_args(env, info, 2, &args) || (watcher = get_watcher(env, args.v[0])) == NULL) return NULL;
  if (napi_get_value_bool(env, args.v[1], &on) != napi_ok) return NULL;
  if (!watcher->closing) {
    if (on) uv_ref((uv_handle_t *)&watcher->poll);
    else uv_unref((uv_handle_t *)&watcher->poll);
  }
  return number(env, 0);
}

static napi_value watch_close(napi_env env, napi_callback_info info) {
  args_t args;
  watcher_t *watcher;
  if (!get_args(env, info, 1, &args) || (watcher = get_watcher(env, args.v[0])) == NULL) return NULL;
  watcher_close(watcher);
  return number(env, 0);
}

/* ---- module ---- */

static void ending(napi_async_cleanup_hook_handle handle, void *data) {
  state_t *state = data;
  state->hook = handle;
  state->ending = true;
  for (watcher_t *watcher = state->watchers; watcher != NULL; watcher = watcher->next) watcher_close(watcher);
  free_state_if_unused(state);
}

static void state_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  state_t *state = data;
  state->gone = true;
  free_state_if_unused(state);
}

static napi_value init(napi_env env, napi_value exports) {
  state_t *state = calloc(1, sizeof *state);
  if (state == NULL) return NULL;
  state->env = env;
  if (napi_get_uv_event_loop(env, &state->loop) != napi_ok || napi_set_instance_data(env, state, state_gone, NULL) != napi_ok) {
    free(state);
    return NULL;
  }
  if (napi_add_async_cleanup_hook(env, ending, state, &state->hook) != napi_ok) return NULL;

  const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"socket", sock_socket},
      {"close", sock_close},
      {"bind", sock_bind},
      {"connect", sock_connect},
      {"listen", sock_listen},
      {"accept4", sock_accept4},
      {"shutdown", sock_shutdown},
      {"setsockopt", sock_setsockopt},
      {"attachFilter", sock_attach_filter},
      {"getsockopt", sock_getsockopt},
      {"getsockname", sock_getsockname},
      {"getpeername", sock_getpeername},
      {"send", sock_send},
      {"sendto", sock_sendto},
      {"recv", sock_recv},
      {"recvmsg", sock_recvmsg},
      {"drain", sock_drain},
      {"poll", sock_poll},
      {"setNonBlocking", sock_set_non_blocking},
      {"openNetns", open_netns},
      {"withNetns", with_netns},
      {"ifNameToIndex", if_name_to_index},
      {"watchOpen", watch_open},
      {"watchStart", watch_start},
      {"watchStop", watch_stop},
      {"watchRef", watch_ref},
      {"watchClose", watch_close},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) != napi_ok)
      return NULL;
  }
  return exports;
}

NAPI_MODULE(podroute, init)
