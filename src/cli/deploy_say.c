#include "cli/command.h"
#include "cli/deploy_say.h"

#include <stdio.h>

struct diff {
    char sign;
    bool any;
};

static void line(struct diff *d, const char *class, const char *what, const json_t *name)
{
    const char *text = json_string_value(name);
    printf("  %c ", d->sign);
    print_safe(class, strlen(class));
    if (what != NULL && text != NULL) {
        printf(" %s ", what);
        print_safe(text, strlen(text));
    } else if (what != NULL) {
        printf(" %s", what);
    }
    putchar('\n');
    d->any = true;
}

static const json_t *class_named(const json_t *facts, const char *name)
{
    const json_t *classes = json_object_get(facts, "classes");
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const json_t *class = json_array_get(classes, i);
        const char *got = json_string_value(json_object_get(class, "name"));
        if (got != NULL && strcmp(got, name) == 0) {
            return class;
        }
    }
    return NULL;
}

static bool holds(const json_t *list, const json_t *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_equal(json_array_get(list, i), text)) {
            return true;
        }
    }
    return false;
}

/* Members of a list of `of` that `other` lacks. */
static void lists(struct diff *d, const char *class, const char *what, const json_t *of,
                  const json_t *other)
{
    for (size_t i = 0; i < json_array_size(of); i++) {
        if (!holds(other, json_array_get(of, i))) {
            line(d, class, what, json_array_get(of, i));
        }
    }
}

static void flag(struct diff *d, const char *who, const char *key, const json_t *of,
                 const json_t *other)
{
    if (json_is_true(json_object_get(of, key)) && !json_is_true(json_object_get(other, key))) {
        line(d, who, key, NULL);
    }
}

/* What `of` has and `other` lacks. */
static void one_way(struct diff *d, const json_t *of, const json_t *other)
{
    const json_t *classes = json_object_get(of, "classes");
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const json_t *class = json_array_get(classes, i);
        const char *name = json_string_value(json_object_get(class, "name"));
        const json_t *twin = name != NULL ? class_named(other, name) : NULL;
        if (name == NULL) {
            continue;
        }
        if (twin == NULL) {
            line(d, name, NULL, NULL);
        }
        lists(d, name, "handler", json_object_get(class, "handlers"),
              json_object_get(twin, "handlers"));
        lists(d, name, "host", json_object_get(class, "hosts"), json_object_get(twin, "hosts"));
        flag(d, name, "outbound", class, twin);
    }
    flag(d, "export default", "fetch", of, other);
    flag(d, "export default", "scheduled", of, other);
}

/* Which classes, handlers and hosts came and went, a line each. */
static bool print_difference(const json_t *before, const json_t *after)
{
    struct diff d = {.sign = '-'};
    one_way(&d, before, after);
    d.sign = '+';
    one_way(&d, after, before);
    return d.any;
}

static void print_classes(const json_t *facts)
{
    const json_t *classes = json_object_get(facts, "classes");
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(classes, i), "name"));
        fputs(i == 0 ? " " : ", ", stdout);
        print_safe(name != NULL ? name : "?", name != NULL ? strlen(name) : 1);
    }
}

void deploy_say(const struct deploy *d, const json_t *answer, uint64_t ms)
{
    const json_t *before = json_object_get(answer, "before");
    const json_t *after = json_object_get(answer, "facts");
    const char *name = json_string_value(json_object_get(d->config.app, "name"));
    printf("deployed ");
    print_safe(name != NULL ? name : "", name != NULL ? strlen(name) : 0);
    printf(", version %lld, in %llu ms:", json_integer_value(json_object_get(answer, "version")),
           (unsigned long long)ms);
    print_classes(after);
    putchar('\n');
    if (json_is_object(before) && !print_difference(before, after)) {
        puts("  the same classes, handlers and hosts as before");
    }
    fflush(stdout);
}
