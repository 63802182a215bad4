/*
 * js/warm: stands in for the host while js_load warms the engine up.
 */
#ifndef SALLYPORT_JS_WARM_H
#define SALLYPORT_JS_WARM_H

#include "js/host.h"

extern const struct js_host js_warm_host;

#endif
