/* js/storage: what storage.c and sql.c share. */
#ifndef SALLYPORT_JS_STORAGE_H
#define SALLYPORT_JS_STORAGE_H

#include "js/natives.h"
#include "store/object.h"

/* The storage of the instance that number names; NULL: *exc says why. */
struct object_db *js_storage_of(JSContextRef ctx, JSValueRef number, JSValueRef *exc);
/* Throws what err says: a RangeError for ERANGE. Gives undefined. */
JSValueRef js_storage_throw(JSContextRef ctx, const struct error *err, JSValueRef *exc);

#endif
