/*
 * view: the files of one sandbox, assembled in this process's mount namespace for bubblewrap.
 *
 *     STAGE/            a tmpfs of this instance, gone with the last process that sees it
 *       in/             shown read-only as ETC_INSTANCE_DIR: the agent, names, trust files
 *       empty           what a masked file shows
 *       bind-N          the clones of the binds, protected
 *
 * Order: view_open (as who may mount here), then at any time after view_write_names, and once the
 * CA is known view_write_trust.
 */
#ifndef SALLYPORT_LAUNCHER_VIEW_H
#define SALLYPORT_LAUNCHER_VIEW_H

#include "base/buf.h"
#include "base/span.h"
#include "launcher/binds.h"
#include "launcher/protect.h"
#include "launcher/spec.h"

struct user {
    bool by_root; /* root asked for the sandbox: it is given away to uid */
    uid_t uid;    /* of the sandbox's processes, on the host and inside */
    gid_t gid;
    char name[64];
    char home[256];      /* inside */
    char host_home[256]; /* of who asked; empty when there is none */
    char cache[512];     /* our folder, exists */
};

struct view {
    const struct spec *spec;
    struct user user;
    char *etc;    /* staged /etc */
    char *stage;  /* where the tmpfs is mounted */
    int stage_fd; /* O_PATH */
    int in_fd;    /* STAGE/in */
    struct binds binds;
    struct protect protect;
    struct buf system_pem; /* the host's bundle, and its certificates as DER */
    struct buf system_der;
    size_t system_count;
    bool id_mapped; /* files of the binds belong to somebody else on disk */
};

/* Who the sandbox is: the caller, or for root the spec's uid; makes the cache folder. Before any
 * namespace, where everybody is uid 0. */
int view_user(const struct spec *spec, struct user *out, struct error *err);

/* Stages /etc, mounts the tmpfs, opens, clones, id-maps and protects the binds. For root v->user
 * may then be the owner of a bind that cannot be id-mapped. The caller is in a mount namespace of
 * its own, as its root. */
int view_open(struct view *v, const struct spec *spec, const struct user *user, struct error *err);
/* Also reads the host's bundle, so that as little as possible is left for later. */
int view_write_names(struct view *v, struct error *err);
int view_write_trust(struct view *v, struct span ca_pem, struct error *err);
/* At any state, also when view_open was never called on a zeroed view. */
void view_close(struct view *v);

#endif
