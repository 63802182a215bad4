/*
 * js/natives: C functions that the shim (webapi/) calls inside a turn; user code never holds one.
 * Arguments and results stand above each definition; the shim passes as many as that says.
 */
#ifndef SALLYPORT_JS_NATIVES_H
#define SALLYPORT_JS_NATIVES_H

#include "js/engine.h"

JSObjectRef js_natives_object(JSContextRef ctx);

#define JS_NATIVE(fn)                                                                              \
    JSValueRef fn(JSContextRef ctx, __attribute__((unused)) JSObjectRef callee,                    \
                  __attribute__((unused)) JSObjectRef self, __attribute__((unused)) size_t argc,   \
                  __attribute__((unused)) const JSValueRef argv[],                                 \
                  __attribute__((unused)) JSValueRef *exc)

#define JS_NATIVES(X)                                                                              \
    X(requestMethod, js_native_request_method)                                                     \
    X(requestUrl, js_native_request_url)                                                           \
    X(requestHasBody, js_native_request_has_body)                                                  \
    X(requestHeaders, js_native_request_headers)                                                   \
    X(responseUrl, js_native_response_url)                                                         \
    X(responseHeaders, js_native_response_headers)                                                 \
    X(fetch, js_native_fetch)                                                                      \
    X(fetchClose, js_native_fetch_close)                                                           \
    X(done, js_native_done)                                                                        \
    X(fail, js_native_fail)                                                                        \
    X(callDone, js_native_call_done)                                                               \
    X(callFail, js_native_call_fail)                                                               \
    X(bodyOpen, js_native_body_open)                                                               \
    X(bodyRead, js_native_body_read)                                                               \
    X(bodyClose, js_native_body_close)                                                             \
    X(streamOpen, js_native_stream_open)                                                           \
    X(streamPush, js_native_stream_push)                                                           \
    X(streamEnd, js_native_stream_end)                                                             \
    X(streamFail, js_native_stream_fail)                                                           \
    X(timerArm, js_native_timer_arm)                                                               \
    X(now, js_native_now)                                                                          \
    X(wall, js_native_wall)                                                                        \
    X(kv, js_native_kv)                                                                            \
    X(policySet, js_native_policy_set)                                                             \
    X(container, js_native_container)                                                              \
    X(secret, js_native_secret)                                                                    \
    X(log, js_native_log)                                                                          \
    X(mapStack, js_native_map_stack)                                                               \
    X(over, js_native_over)                                                                        \
    X(jobs, js_native_jobs)                                                                        \
    X(object, js_native_object)                                                                    \
    X(objectId, js_native_object_id)                                                               \
    X(objectIdIs, js_native_object_id_is)                                                          \
    X(storageGet, js_native_storage_get)                                                           \
    X(storageWrite, js_native_storage_write)                                                       \
    X(storageList, js_native_storage_list)                                                         \
    X(storageDeleteAll, js_native_storage_delete_all)                                              \
    X(storageBegin, js_native_storage_begin)                                                       \
    X(storageCommit, js_native_storage_commit)                                                     \
    X(storageRollback, js_native_storage_rollback)                                                 \
    X(storageSize, js_native_storage_size)                                                         \
    X(storageQuery, js_native_storage_query)                                                       \
    X(storageRows, js_native_storage_rows)                                                         \
    X(storageQueryEnd, js_native_storage_query_end)                                                \
    X(alarm, js_native_alarm)                                                                      \
    X(lazy, js_native_lazy)                                                                        \
    X(urlParse, js_native_url_parse)                                                               \
    X(urlSet, js_native_url_set)                                                                   \
    X(formParse, js_native_form_parse)                                                             \
    X(formWrite, js_native_form_write)                                                             \
    X(utf8Encode, js_native_utf8_encode)                                                           \
    X(utf8Decode, js_native_utf8_decode)                                                           \
    X(latin1Decode, js_native_latin1_decode)                                                       \
    X(codecOpen, js_native_codec_open)                                                             \
    X(codecPush, js_native_codec_push)                                                             \
    X(codecPull, js_native_codec_pull)                                                             \
    X(codecClose, js_native_codec_close)                                                           \
    X(hashOpen, js_native_hash_open)                                                               \
    X(hashUpdate, js_native_hash_update)                                                           \
    X(hashDigest, js_native_hash_digest)                                                           \
    X(hashCopy, js_native_hash_copy)                                                               \
    X(random, js_native_random)                                                                    \
    X(digest, js_native_digest)                                                                    \
    X(keyImport, js_native_key_import)                                                             \
    X(keyFromParts, js_native_key_from_parts)                                                      \
    X(keyGenerate, js_native_key_generate)                                                         \
    X(keyExport, js_native_key_export)                                                             \
    X(keyParts, js_native_key_parts)                                                               \
    X(cryptoRun, js_native_crypto_run)

#define JS_NATIVE_DECLARE(name, fn) JS_NATIVE(fn);
JS_NATIVES(JS_NATIVE_DECLARE)
#undef JS_NATIVE_DECLARE

#endif
