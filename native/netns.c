/* Network namespaces of the calling thread. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Puts the calling thread into `netns`; what it left, to go back to, or a negated errno. */
int enter_netns(int netns) {
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
void leave_netns(int before) {
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

const function_t netns_functions[] = {
    {"openNetns", open_netns},
    {"withNetns", with_netns},
    {"ifNameToIndex", if_name_to_index},
    {NULL, NULL},
};
