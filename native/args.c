/* Arguments from JavaScript, checked, and results to it. */
#include "addon.h"

#include <errno.h>

int get_args(napi_env env, napi_callback_info info, size_t wanted, args_t *args) {
  args->count = MAX_ARGS;
  if (napi_get_cb_info(env, info, &args->count, args->v, NULL, NULL) != napi_ok) return 0;
  if (args->count < wanted) {
    napi_throw_type_error(env, NULL, "too few arguments");
    return 0;
  }
  return 1;
}

int get_int(napi_env env, napi_value value, int *out) {
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

int get_octets(napi_env env, napi_value value, octets_t *out) {
  return get_array(env, value, napi_uint8_array, out);
}

/* An Int32Array of at least three numbers. */
int get_status(napi_env env, napi_value value, int32_t **out) {
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
int get_range(napi_env env, const args_t *args, size_t at, octets_t *out) {
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

napi_value number(napi_env env, int64_t value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

napi_value outcome(napi_env env, int64_t result) {
  return number(env, result < 0 ? -errno : result);
}
