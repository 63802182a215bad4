/*
 * frame: the bytes of a control message, without any descriptor. Inside the room ipc only.
 */
#ifndef SALLYPORT_IPC_FRAME_H
#define SALLYPORT_IPC_FRAME_H

#include "ipc/channel.h"

#define FRAME_HEAD_BYTES 8u

enum frame_result { FRAME_BROKEN = -1, FRAME_PARTIAL = 0, FRAME_WHOLE = 1 };

/* Looks at the front of `in`.
 * PARTIAL: *need is how many bytes the frame has in all as far as is known.
 * WHOLE:   *need is the frame's length; msg has type, fields (lent from in) and fd_count as the
 *          frame declares it; msg->fds is not touched.
 * BROKEN:  *why is a sentence of static storage. */
enum frame_result frame_parse(struct span in, const struct ipc_rule *rules, struct ipc_message *msg,
                              size_t *need, const char **why);

/* How many descriptors the head at the front of `in` declares; in has at least a head. */
size_t frame_declared_fds(struct span in);

/* The most descriptors that any rule allows. */
size_t frame_rules_fds_max(const struct ipc_rule *rules);

/* Bytes of the frame for these fields, 0 when a limit is passed. */
size_t frame_size(const struct span *fields, size_t field_count, size_t fd_count);

/* Writes exactly frame_size bytes to out. */
void frame_write(char *out, uint16_t type, const struct span *fields, size_t field_count,
                 size_t fd_count);

#endif
