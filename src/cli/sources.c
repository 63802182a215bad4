#include "cli/sources.h"
#include "base/cleanup.h"
#include "config/bundle.h"
#include "config/paths.h"

#include <errno.h>

/* A folder of the module's own sources is pinned as a whole: a file planted beside util.ts, or a
 * nearer node_modules, would change what the next start loads. */
static bool pin_folders(const char *root, struct spec_strings *inputs)
{
    size_t count = inputs->count;
    size_t root_len = strlen(root);
    for (size_t i = 0; i < count; i++) {
        const char *file = inputs->items[i];
        bool below = strncmp(file, root, root_len) == 0 && file[root_len] == '/';
        if (!below || strstr(file, "/node_modules/") != NULL) {
            continue;
        }
        cleanup_free char *folder = paths_clean(file, "..");
        bool known = folder != NULL && strcmp(folder, root) == 0;
        for (size_t k = count; folder != NULL && !known && k < inputs->count; k++) {
            known = strcmp(inputs->items[k], folder) == 0;
        }
        if (folder == NULL || (!known && !spec_strings_add(inputs, folder))) {
            return false;
        }
    }
    return true;
}

int sources_read(const struct config *c, struct sources *out, struct error *err)
{
    struct bundle b;
    *out = (struct sources){.bundle_fd = -1, .map_fd = -1};
    int rc = c->module != NULL ? bundle_make(c->module, c->dir, &b, err) : bundle_empty(&b, err);
    if (rc < 0) {
        return rc;
    }
    out->bundle_fd = steal_fd(&b.script_fd);
    out->map_fd = steal_fd(&b.map_fd);
    out->inputs = b.inputs;
    out->file_count = b.inputs.count;
    if (c->dir != NULL && !pin_folders(c->dir, &out->inputs)) {
        rc = error_set(err, ENOMEM, "bundle");
    }
    const char *const more[] = {c->file, c->dev_vars};
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        if (more[i] != NULL && !spec_strings_add(&out->inputs, more[i])) {
            rc = error_set(err, ENOMEM, "bundle");
        }
    }
    if (rc < 0) {
        sources_free(out);
    }
    return rc;
}

void sources_free(struct sources *s)
{
    close_fd(&s->bundle_fd);
    close_fd(&s->map_fd);
    spec_strings_free(&s->inputs);
}
