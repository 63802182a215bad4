/*
 * version: one load of the app's code. The newest serves what comes; an older one serves what it
 * has begun, and is unloaded when it has nothing left to do, or after VERSION_OLD_MS.
 *
 *     loaded ──current──► old ──idle, too old, or one too many──► unloaded
 *        └──the deploy failed──► unloaded
 */
#ifndef SALLYPORT_RUNTIME_VERSION_H
#define SALLYPORT_RUNTIME_VERSION_H

#include "base/error.h"
#include "base/list.h"
#include "js/js.h"

#define VERSIONS_MAX   4u     /* loaded at once; one more ends what the oldest is at */
#define VERSION_SLOTS  5u     /* that one more is loaded before */
#define VERSION_OLD_MS 30000u /* that requests may go on in code that was replaced */

struct app;
struct fetch;
struct runtime;

struct version {
    struct runtime *rt;
    struct js_version *js;
    uint32_t serial;      /* counts loads from 1 */
    uint8_t slot;         /* in runtime.versions */
    uint64_t replaced_ms; /* monotonic; 0: it is the current one */
    struct list halves;   /* struct half.of_version */
    struct fetch *fetches[JS_FETCHES_MAX + 1];
    uint32_t fetch_top; /* the highest id that was used */
};

struct version_code { /* lent for the call */
    struct span bundle;
    struct span map;
};

/* Evaluates the code; nothing uses it yet. On error the text begins with the place in the user's
 * file where it is known. */
struct version *version_load(struct runtime *rt, const struct app *app,
                             const struct version_code *code, struct error *err);
/* It takes the current one's place. */
void version_promote(struct version *v);
/* Ends what is under way in it: exchanges with 503 (cut, when their head is out), calls with an
 * error. */
void version_unload(struct version *v);
/* Unloads old ones that are done, or too old: what those were at is told in the log. */
void version_clock(struct runtime *rt, uint64_t now_ms);
/* Unloads the oldest, and tells the same, while there are more than VERSIONS_MAX. */
void version_make_room(struct runtime *rt);

/* The number of a question to the supervisor (`call` on the wire) holds who asked. */
uint64_t version_question(const struct version *v, uint32_t call);
/* NULL: the version is gone, and with it who asked. */
struct version *version_asked(const struct runtime *rt, struct span question, uint32_t *call);

#endif
