#include "ipc/frame.h"

static uint32_t get_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint16_t get_u16(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static void put_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (char)(v >> (8 * i) & 0xff);
    }
}

static void put_u16(char *p, uint16_t v)
{
    p[0] = (char)(v & 0xff);
    p[1] = (char)(v >> 8);
}

static const struct ipc_rule *rule_find(const struct ipc_rule *rules, uint16_t type)
{
    for (const struct ipc_rule *r = rules; r->name != NULL; r++) {
        if (r->type == type) {
            return r;
        }
    }
    return NULL;
}

/* Splits the body into exactly the rule's number of fields. */
static bool record_parse(struct span body, size_t fields, struct ipc_message *msg)
{
    if (fields > IPC_FIELDS_MAX) {
        return false;
    }
    msg->field_count = fields;
    for (size_t i = 0; i < fields; i++) {
        if (body.len < 4) {
            return false;
        }
        size_t len = get_u32(body.ptr);
        body = span_from(body, 4);
        if (len > body.len) {
            return false;
        }
        msg->fields[i] = span_of(body.ptr, len);
        body = span_from(body, len);
    }
    return body.len == 0;
}

enum frame_result frame_parse(struct span in, const struct ipc_rule *rules, struct ipc_message *msg,
                              size_t *need, const char **why)
{
    *need = FRAME_HEAD_BYTES;
    if (in.len < FRAME_HEAD_BYTES) {
        return FRAME_PARTIAL;
    }
    size_t body_len = get_u32(in.ptr);
    size_t fd_count = frame_declared_fds(in);
    if (body_len > IPC_BODY_MAX) {
        *why = "control message: longer than allowed";
        return FRAME_BROKEN;
    }
    const struct ipc_rule *rule = rule_find(rules, get_u16(in.ptr + 4));
    if (rule == NULL) {
        *why = "control message: of a type that is not expected here";
        return FRAME_BROKEN;
    }
    if (fd_count < rule->fds_min || fd_count > rule->fds_max || fd_count > IPC_FDS_MAX) {
        *why = "control message: wrong number of descriptors";
        return FRAME_BROKEN;
    }
    *need = FRAME_HEAD_BYTES + body_len;
    if (in.len < *need) {
        return FRAME_PARTIAL;
    }
    msg->type = rule->type;
    msg->fd_count = fd_count;
    if (!record_parse(span_of(in.ptr + FRAME_HEAD_BYTES, body_len), rule->fields, msg)) {
        *why = "control message: fields do not fill the record";
        return FRAME_BROKEN;
    }
    return FRAME_WHOLE;
}

size_t frame_declared_fds(struct span in)
{
    return get_u16(in.ptr + 6);
}

size_t frame_rules_fds_max(const struct ipc_rule *rules)
{
    size_t most = 0;
    for (const struct ipc_rule *r = rules; r->name != NULL; r++) {
        most = r->fds_max > most ? r->fds_max : most;
    }
    return most < IPC_FDS_MAX ? most : IPC_FDS_MAX;
}

size_t frame_size(const struct span *fields, size_t field_count, size_t fd_count)
{
    if (field_count > IPC_FIELDS_MAX || fd_count > IPC_FDS_MAX) {
        return 0;
    }
    size_t body = 0;
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].len > IPC_BODY_MAX) {
            return 0;
        }
        body += 4 + fields[i].len;
    }
    return body <= IPC_BODY_MAX ? FRAME_HEAD_BYTES + body : 0;
}

void frame_write(char *out, uint16_t type, const struct span *fields, size_t field_count,
                 size_t fd_count)
{
    size_t body = frame_size(fields, field_count, fd_count) - FRAME_HEAD_BYTES;
    put_u32(out, (uint32_t)body);
    put_u16(out + 4, type);
    put_u16(out + 6, (uint16_t)fd_count);
    out += FRAME_HEAD_BYTES;
    for (size_t i = 0; i < field_count; i++) {
        put_u32(out, (uint32_t)fields[i].len);
        if (fields[i].len > 0) {
            memcpy(out + 4, fields[i].ptr, fields[i].len);
        }
        out += 4 + fields[i].len;
    }
}
