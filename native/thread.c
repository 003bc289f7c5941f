/*
 * Sending from a thread of libuv's pool: netlink does its work inside the call, and for some of it (an interface that goes)
 * the kernel keeps the caller for tens of milliseconds. The octets are copied first; the descriptor must stay open.
 */
#include "addon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef struct {
  napi_async_work work;
  napi_deferred deferred;
  int fd;
  int64_t result; /* octets sent, or a negated errno */
  size_t length;
  uint8_t octets[];
} job_t;

/* In the pool's thread. */
static void run(napi_env env, void *data) {
  (void)env;
  job_t *job = data;
  ssize_t sent;
  do sent = send(job->fd, job->octets, job->length, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  job->result = sent < 0 ? -errno : sent;
}

/* Back in the thread that asked. */
static void finish(napi_env env, napi_status status, void *data) {
  job_t *job = data;
  napi_resolve_deferred(env, job->deferred, number(env, status == napi_ok ? job->result : -ECANCELED));
  napi_delete_async_work(env, job->work);
  free(job);
}

static napi_value send_in_thread(napi_env env, napi_callback_info info) {
  args_t args;
  int fd;
  octets_t range;
  napi_value promise, name;
  if (!get_args(env, info, 4, &args) || !get_int(env, args.v[0], &fd) || !get_range(env, &args, 1, &range)) return NULL;
  job_t *job = calloc(1, sizeof *job + range.length);
  if (job == NULL) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  job->fd = fd;
  job->length = range.length;
  memcpy(job->octets, range.data, range.length);
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok ||
      napi_create_string_utf8(env, "podroute send", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, NULL, name, run, finish, job, &job->work) != napi_ok ||
      napi_queue_async_work(env, job->work) != napi_ok) {
    if (job->work != NULL) napi_delete_async_work(env, job->work);
    free(job);
    napi_throw_error(env, NULL, "the thread pool takes no work");
    return NULL;
  }
  return promise;
}

const function_t thread_functions[] = {
    {"sendInThread", send_in_thread},
    {NULL, NULL},
};
