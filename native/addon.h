/*
 * What the parts of the addon share. A thin N-API addon over socket calls, network namespaces and uv_poll. No protocol
 * knowledge, no global state: what an environment (main thread or worker) owns hangs on its instance data. Functions give a
 * number of 0 or more, or a negated errno; only wrong arguments throw.
 */
#ifndef PODROUTE_ADDON_H
#define PODROUTE_ADDON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAPI_VERSION 8
#include <node_api.h>
#include <uv.h>

#define MAX_ARGS 7

/* The arguments of a call. */
typedef struct {
  napi_value v[MAX_ARGS];
  size_t count;
} args_t;

/* Memory of a typed array, valid until JavaScript runs again; the length counts elements. */
typedef struct {
  uint8_t *data;
  size_t length;
} octets_t;

/* Beside the UV_* events: an error waits on the descriptor. */
#define EVENT_ERROR 0x80

/* args.c. The getters give 0 after throwing. */
int get_args(napi_env env, napi_callback_info info, size_t wanted, args_t *args);
int get_int(napi_env env, napi_value value, int *out);
int get_octets(napi_env env, napi_value value, octets_t *out);
int get_status(napi_env env, napi_value value, int32_t **out);
int get_range(napi_env env, const args_t *args, size_t at, octets_t *out);
napi_value number(napi_env env, int64_t value);
/* `result`, or the negated errno where it is below 0. */
napi_value outcome(napi_env env, int64_t result);

/* netns.c */
int enter_netns(int netns);
void leave_netns(int before);

/* One function for JavaScript. */
typedef struct {
  const char *name;
  napi_callback call;
} function_t;

/* Each part's functions, ended by one without a name. */
extern const function_t netns_functions[], socket_functions[], thread_functions[], turns_functions[],
    watch_functions[];

/* watch.c: the state that an environment owns. False when that fails. */
bool watch_init(napi_env env);

#endif
