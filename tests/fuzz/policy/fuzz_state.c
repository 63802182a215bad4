/* A saved state that is taken is saved again as itself. */
#include "policy/policy.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy *fresh(void)
{
    const struct span handlers[] = {SPAN_LIT("a"), SPAN_LIT("b")};
    struct policy_config config = {.class_name = SPAN_LIT("Box"), .handlers = {handlers, 2}};
    struct policy *p = policy_create(&config, NULL);

    if (p == NULL) {
        abort();
    }
    return p;
}

static void save(const struct policy *p, struct buf *out)
{
    buf_init(out, 64 * 1024 * 1024);
    if (policy_state_save(p, out, NULL) < 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy *p = fresh();
    struct policy *q = fresh();
    struct buf first;
    struct buf second;

    if (policy_state_load(p, span_of(data, size), NULL) == 0) {
        save(p, &first);
        struct policy *copy = policy_clone(p);
        if (copy == NULL || policy_state_load(q, buf_span(&first), NULL) < 0) {
            abort();
        }
        save(q, &second);
        if (!span_eq(buf_span(&first), buf_span(&second))) {
            abort();
        }
        buf_free(&second);
        save(copy, &second);
        if (!span_eq(buf_span(&first), buf_span(&second))) {
            abort();
        }
        policy_free(copy);
        buf_free(&first);
        buf_free(&second);
    }
    policy_free(p);
    policy_free(q);
    return 0;
}
