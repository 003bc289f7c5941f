/* How long the event loop is busy at a stretch: a check handle, asked once in every turn. */
#include "addon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Sixteen buckets for each power of two of microseconds, so that a bucket is exact to a sixteenth. Below 16 us one for each.
 * native/index.ts knows the layout.
 */
#define SUB_BITS 4
#define BUCKETS 464

/* Turns by length, all in milliseconds: the longest; then how many, and how long together, by bucket. */
typedef struct {
  double longest, counts[BUCKETS], sums[BUCKETS];
} lengths_t;

/* What JavaScript reads: milliseconds of measuring, how many turns; their lengths as others feel them, and as processor time. */
typedef struct {
  double elapsed, turns;
  lengths_t busy, cpu;
} figures_t;

typedef struct {
  uv_check_t check;
  uv_loop_t *loop;
  napi_async_cleanup_hook_handle hook;
  uint64_t since, before, idle_before, cpu_before;
  bool closing;
  figures_t figures;
} turns_t;

static size_t bucket_of(uint64_t us) {
  if (us < 1 << SUB_BITS) return us;
  unsigned power = 63 - __builtin_clzll(us);
  size_t bucket = ((size_t)(power - SUB_BITS + 1) << SUB_BITS) + ((us >> (power - SUB_BITS)) & ((1 << SUB_BITS) - 1));
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static void add(lengths_t *lengths, uint64_t ns) {
  double ms = ns / 1e6;
  size_t bucket = bucket_of(ns / 1000);
  lengths->counts[bucket]++;
  lengths->sums[bucket] += ms;
  if (ms > lengths->longest) lengths->longest = ms;
}

/* Processor time of this thread, nanoseconds. */
static uint64_t cpu_time(void) {
  struct timespec t;
  return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0 ? (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec : 0;
}

/* From here on. */
static void begin(turns_t *turns) {
  turns->since = turns->before = uv_hrtime();
  turns->idle_before = uv_metrics_idle_time(turns->loop);
  turns->cpu_before = cpu_time();
}

/* Once in every turn of the loop, behind the callbacks of sockets: what was neither sleep nor waiting since the last time was work. */
static void turn_ended(uv_check_t *check) {
  turns_t *turns = check->data;
  uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(turns->loop), cpu = cpu_time();
  uint64_t passed = now - turns->before, slept = idle - turns->idle_before, busy = passed > slept ? passed - slept : 0;
  uint64_t worked = cpu - turns->cpu_before;
  turns->before = now;
  turns->idle_before = idle;
  turns->cpu_before = cpu;
  turns->figures.turns++;
  add(&turns->figures.busy, busy);
  /* Going to sleep and waking up cost processor time, too. */
  add(&turns->figures.cpu, worked < busy ? worked : busy);
}

static void turns_closed(uv_handle_t *handle) {
  turns_t *turns = handle->data;
  napi_remove_async_cleanup_hook(turns->hook);
  free(turns);
}

static void close_once(turns_t *turns) {
  if (turns->closing) return;
  turns->closing = true;
  uv_close((uv_handle_t *)&turns->check, turns_closed);
}

static void ending(napi_async_cleanup_hook_handle hook, void *data) {
  turns_t *turns = data;
  turns->hook = hook;
  close_once(turns);
}

static napi_value turns_open(napi_env env, napi_callback_info info) {
  args_t args;
  if (!get_args(env, info, 0, &args)) return NULL;
  turns_t *turns = calloc(1, sizeof *turns);
  if (turns == NULL) return number(env, -ENOMEM);
  napi_value handle;
  if (napi_get_uv_event_loop(env, &turns->loop) != napi_ok || napi_create_external(env, turns, NULL, NULL, &handle) != napi_ok ||
      napi_add_async_cleanup_hook(env, ending, turns, &turns->hook) != napi_ok) {
    free(turns);
    return number(env, -ENOMEM);
  }
  uv_loop_configure(turns->loop, UV_METRICS_IDLE_TIME);
  uv_check_init(turns->loop, &turns->check);
  uv_unref((uv_handle_t *)&turns->check);
  turns->check.data = turns;
  begin(turns);
  uv_check_start(&turns->check, turn_ended);
  return handle;
}

static turns_t *get_turns(napi_env env, napi_value value) {
  void *turns = NULL;
  if (napi_get_value_external(env, value, &turns) == napi_ok) return turns;
  napi_throw_type_error(env, NULL, "a meter of turns is wanted");
  return NULL;
}

/* turnsRead(handle, figures): copies what was counted so far. */
static napi_value turns_read(napi_env env, napi_callback_info info) {
  args_t args;
  octets_t out;
  turns_t *turns;
  if (!get_args(env, info, 2, &args) || (turns = get_turns(env, args.v[0])) == NULL || !get_octets(env, args.v[1], &out)) return NULL;
  if (out.length != sizeof turns->figures) {
    napi_throw_range_error(env, NULL, "a buffer of the size of the figures is wanted");
    return NULL;
  }
  turns->figures.elapsed = (uv_hrtime() - turns->since) / 1e6;
  memcpy(out.data, &turns->figures, sizeof turns->figures);
  return number(env, 0);
}

/* turnsReset(handle): counts from here on; of the present turn, what is still to come. */
static napi_value turns_reset(napi_env env, napi_callback_info info) {
  args_t args;
  turns_t *turns;
  if (!get_args(env, info, 1, &args) || (turns = get_turns(env, args.v[0])) == NULL) return NULL;
  memset(&turns->figures, 0, sizeof turns->figures);
  begin(turns);
  return number(env, 0);
}

/* turnsClose(handle): the handle is of no use any more. */
static napi_value turns_close(napi_env env, napi_callback_info info) {
  args_t args;
  turns_t *turns;
  if (!get_args(env, info, 1, &args) || (turns = get_turns(env, args.v[0])) == NULL) return NULL;
  close_once(turns);
  return number(env, 0);
}

const function_t turns_functions[] = {
    {"turnsOpen", turns_open},
    {"turnsRead", turns_read},
    {"turnsReset", turns_reset},
    {"turnsClose", turns_close},
    {NULL, NULL},
};
