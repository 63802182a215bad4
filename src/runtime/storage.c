#include "runtime/storage.h"

/* A class's name as one component of a path: what is no letter, digit or '_' as %xx. */
static bool safe_name(struct span name, struct buf *out)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        char l = span_lower(c);
        bool plain = (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (plain ? !buf_append(out, &c, 1) : !buf_appendf(out, "%%%02x", (unsigned char)c)) {
            return false;
        }
    }
    return true;
}

static struct object_db *open_file(struct instance *inst, struct error *err)
{
    struct buf path;
    struct span dir = inst->rt->app.objects_dir;
    struct object_db *db = NULL;
    buf_init(&path, 4096);
    /* An id is of hex digits, or the one that the user gave: neither holds a slash or begins with
     * a dot. */
    if (buf_append_span(&path, dir) && buf_append_str(&path, "/") &&
        safe_name(span_str(inst->class_name), &path) && buf_appendf(&path, "/%s.db", inst->id) &&
        buf_append(&path, "", 1)) {
        db = object_db_open(buf_span(&path).ptr, 0, err);
    } else {
        error_set(err, 0, "storage: the path of the object is too long");
    }
    buf_free(&path);
    return db;
}

struct object_db *storage_open(void *arg, void *owner, struct span *why)
{
    static struct error err;
    struct instance *inst = owner;
    (void)arg;
    if (inst->db == NULL) {
        if (inst->rt->storage_refused != NULL) {
            error_set(&err, 0, "%s", inst->rt->storage_refused);
        } else {
            inst->db = open_file(inst, &err);
        }
    }
    *why = span_str(inst->db == NULL ? err.text : "");
    return inst->db;
}
