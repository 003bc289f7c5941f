/* Socket calls. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

const function_t socket_functions[] = {
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
    {NULL, NULL},
};
