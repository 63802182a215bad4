/*
 * spec: what to build, as the supervisor writes it into LAUNCHER_START.
 *
 * One JSON object; unknown keys are an error, paths are absolute, strings hold no NUL.
 *
 *   "id"        string   instance id, [A-Za-z0-9][A-Za-z0-9._-]{0,63}
 *   "env"       ["K=V"]  --env, values resolved; wins over our defaults, also over trust variables
 *   "cwd"       string   where commands start, as the sandbox sees it
 *   "workspace" bool     a tmpfs of 2 GiB at /workspace
 *   "binds"     [{"src":string, "dst":string, "ro":bool}]  parents before children
 *   "masks"     [string] --mask: globs relative to the root of each bind, a component ** for any
 *                        number of folders; .dev.vars and .env* are always masked in the root
 *   "masked"    [string] host paths that show as empty when they lie in a bind
 *   "readonly"  [string] host paths of the policy: files, or folders as a whole; never lifted
 *   "writable"  [string] --writable: host paths, lifts .git/hooks and .git/config
 *   "state_dirs" [string] host paths of our state and sockets: a bind that holds one is refused,
 *                        and a bind inside one too
 *   "home"      string   --home: host folder shown as $HOME; absent or null: an empty tmpfs
 *   "hostname"  string   absent: the id
 *   "uid", "gid" number  started by root only: what this instance becomes, never 0; see below
 *
 * The descriptor of LAUNCHER_START becomes the agent's socket: what runs inside, and with which
 * descriptors, is said there (docs/agent-protocol.md). Those of the launcher do not get in.
 *
 * Answers: LAUNCHER_SOCKETS with the capture listener, the DNS datagram socket, the DNS listener,
 * the network namespace, and the read end of the start report (isolate/start_report.h); then it
 * waits for LAUNCHER_GO and becomes bubblewrap. Its pid is bubblewrap's: the exit status of that
 * process is the agent's, which is the main process's (128+n for a signal). Killing it ends the
 * sandbox.
 *
 * As root, uid/gid are what the files of each bind are mapped to and what the sandbox's processes
 * are on the host. One per instance, e.g. from 2000000000 on. Where the file system of a bind
 * cannot be id-mapped, the owner of the bind is taken instead.
 */
#ifndef SALLYPORT_LAUNCHER_SPEC_H
#define SALLYPORT_LAUNCHER_SPEC_H

#include "base/error.h"
#include "base/span.h"

#include <sys/types.h>

struct spec_bind {
    char *src;
    char *dst;
    bool readonly;
};

struct spec_list {
    char **items;
    size_t count;
};

struct spec {
    char *id;
    struct spec_list env;
    char *cwd;
    struct spec_bind *binds;
    size_t bind_count;
    struct spec_list masks;
    struct spec_list masked;
    struct spec_list readonly;
    struct spec_list writable;
    struct spec_list state_dirs;
    char *home; /* NULL: a tmpfs */
    char *hostname;
    bool workspace;
    uid_t uid; /* 0: not given */
    gid_t gid;
};

#define SPEC_LIST_MAX 4096u /* entries of each list */

/* Fills *out, which spec_free empties again at any state. */
int spec_parse(struct span json, struct spec *out, struct error *err);
void spec_free(struct spec *s);

#endif
