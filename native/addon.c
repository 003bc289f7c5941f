/* The module: hands the functions of all parts to the environment that loads it. */
#include "addon.h"

static napi_value init(napi_env env, napi_value exports) {
  const function_t *const parts[] = {netns_functions, socket_functions, thread_functions, turns_functions, watch_functions};
  if (!watch_init(env)) return NULL;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    for (const function_t *each = parts[i]; each->name != NULL; each++) {
      napi_value function;
      if (napi_create_function(env, each->name, NAPI_AUTO_LENGTH, each->call, NULL, &function) != napi_ok ||
          napi_set_named_property(env, exports, each->name, function) != napi_ok)
        return NULL;
    }
  }
  return exports;
}

NAPI_MODULE(podroute, init)
