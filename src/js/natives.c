/*
 * The functions that the shim gets: one object, one table (JS_NATIVES in engine.h).
 */
#include "js/natives.h"

static const struct {
    const char *name;
    JSObjectCallAsFunctionCallback fn;
} natives[] = {
#define NATIVE_ROW(name, fn) {#name, fn},
    JS_NATIVES(NATIVE_ROW)
#undef NATIVE_ROW
};

JSObjectRef js_natives_object(JSContextRef ctx)
{
    JSObjectRef object = JSObjectMake(ctx, NULL, NULL);
    for (size_t i = 0; i < sizeof natives / sizeof natives[0]; i++) {
        JSStringRef name = js_string_latin1(span_str(natives[i].name));
        JSObjectRef fn = JSObjectMakeFunctionWithCallback(ctx, name, natives[i].fn);
        JSObjectSetProperty(ctx, object, name, fn, kJSPropertyAttributeNone, NULL);
        JSStringRelease(name);
    }
    return object;
}
