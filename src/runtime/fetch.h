/*
 * fetch: one fetch() of the user's code: from the call in JavaScript to the end of its body,
 * redirects included. It belongs to a task; its id was chosen by the engine's room and is of one
 * version.
 *
 *     fetch_start ──head──► js_fetch_done ──given back as the response──► fetch_take_body, gone
 *          │                     └──read by JavaScript──► fetch_close, gone
 *          └──failed──► js_fetch_failed, gone
 */
#ifndef SALLYPORT_RUNTIME_FETCH_H
#define SALLYPORT_RUNTIME_FETCH_H

#include "runtime/exchange.h"

#define FETCH_REDIRECTS_MAX 20u

struct fetch;

/* As js_host.fetch says, for a task of any kind. */
bool fetch_start(struct version *v, const struct js_fetch *f);
void fetch_close(struct version *v, uint32_t id);

/* The bytes of a body that code gives, as a source (given); NULL: none, or no memory. What it was
 * made of is used up. */
struct source *fetch_body(struct version *v, const struct js_body *body);

/* Of the response: without a fragment. */
struct span fetch_url(const struct version *v, uint32_t id);
bool fetch_headers_text(const struct version *v, uint32_t id, struct buf *out);

/* What a response that is based on it starts from; NULL list when there is no such fetch. */
const struct gate_header *fetch_headers(const struct version *v, uint32_t id, size_t *count);
int64_t fetch_length(const struct version *v, uint32_t id); /* Content-Length, or -1 */
/* The untouched body (given), or NULL; the fetch stays until fetch_close. */
struct source *fetch_take_body(struct version *v, uint32_t id);
/* The same for who wants a source: of a body that has no byte too. It is no upstream's. */
struct source *fetch_read_body(struct version *v, uint32_t id);
const char *fetch_peer(const struct version *v, uint32_t id);

/* Before the version goes: every one that is left. */
void fetch_close_all(struct version *v);
/* The instance goes: what is left of its tasks' fetches takes no rule of it along. */
void fetch_orphan(struct version *v, const struct instance *inst);

#endif
