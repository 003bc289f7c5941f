/* Watchers: uv_poll. */
#include "addon.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Who frees what. A watcher that is open is never collected: it holds its JavaScript handle and callback until closed. It
 * lives until its uv handle is closed and its JavaScript handle is collected, whichever is later. The state of the
 * environment lives until the environment is gone and the last watcher closed. While watchers are open at teardown, the
 * cleanup hook closes them and keeps the environment waiting until the loop has let go.
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

bool watch_init(napi_env env) {
  state_t *state = calloc(1, sizeof *state);
  if (state == NULL) return false;
  state->env = env;
  if (napi_get_uv_event_loop(env, &state->loop) != napi_ok || napi_set_instance_data(env, state, state_gone, NULL) != napi_ok) {
    free(state);
    return false;
  }
  return napi_add_async_cleanup_hook(env, ending, state, &state->hook) == napi_ok;
}

const function_t watch_functions[] = {
    {"watchOpen", watch_open},
    {"watchStart", watch_start},
    {"watchStop", watch_stop},
    {"watchRef", watch_ref},
    {"watchClose", watch_close},
    {NULL, NULL},
};
