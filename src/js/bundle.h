/*
 * js/bundle: how the user's bundle is named and wrapped, for whoever reads places in it.
 */
#ifndef SALLYPORT_JS_BUNDLE_H
#define SALLYPORT_JS_BUNDLE_H

#include "js/engine.h"

#define JS_BUNDLE_URL    "sallyport-app"
#define JS_SHIM_URL      "sallyport-shim"
#define JS_WRAPPER       "(function(module,exports,require){'use strict';"
#define JS_WRAPPER_LEN   ((uint32_t)sizeof JS_WRAPPER - 1)
#define JS_WRAPPER_CLOSE "\n})"

/* line and column from 1 in the wrapped bundle; appends file:line:column of the user's. */
bool js_bundle_place(struct js_sourcemap *m, uint32_t line, uint32_t column, struct buf *out);

/* Scripts of ours that the build embeds (webapi/). */
extern const char js_script_core[];
extern const size_t js_script_core_len;
extern const char js_script_streams[];
extern const size_t js_script_streams_len;
extern const char js_script_subtle[];
extern const size_t js_script_subtle_len;
extern const char js_script_web[];
extern const size_t js_script_web_len;
extern const char js_script_urlpattern[];
extern const size_t js_script_urlpattern_len;
extern const char js_script_node[];
extern const size_t js_script_node_len;
extern const char js_script_nodelibs[];
extern const size_t js_script_nodelibs_len;

#endif
