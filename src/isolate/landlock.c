#include "isolate/landlock.h"

#include "base/cleanup.h"
#include "isolate/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian's header ends at ABI 2; these are the kernel's numbers. */
#define FS_EXECUTE     (1ull << 0)
#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_READ_DIR    (1ull << 3)
#define FS_MAKE_FIRST  (1ull << 4)  /* remove and make, by kind */
#define FS_MAKE_LAST   (1ull << 12) /* symlink */
#define FS_REFER       (1ull << 13) /* ABI 2 */
#define FS_TRUNCATE    (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV   (1ull << 15) /* ABI 5 */
#define NET_BIND_TCP   (1ull << 0)  /* ABI 4 */
#define NET_CONNECT    (1ull << 1)
#define SCOPE_ABSTRACT (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNAL   (1ull << 1)

#define FS_MAKE (((FS_MAKE_LAST << 1) - 1) & ~(FS_MAKE_FIRST - 1))
#define FS_ABI1 (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_MAKE)
/* What a rule on something that is no folder may name. */
#define FS_OF_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define CREATE_VERSION 1u
#define RULE_PATH      1

struct ruleset_attr {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};

struct path_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

int isolate_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static uint64_t rights_of(unsigned rights)
{
    uint64_t bits = 0;
    if ((rights & ISOLATE_LANDLOCK_READ) != 0) {
        bits |= FS_READ_FILE | FS_READ_DIR;
    }
    if ((rights & ISOLATE_LANDLOCK_WRITE) != 0) {
        bits |= FS_WRITE_FILE | FS_MAKE | FS_REFER | FS_TRUNCATE;
    }
    if ((rights & ISOLATE_LANDLOCK_EXECUTE) != 0) {
        bits |= FS_EXECUTE;
    }
    return bits;
}

static struct ruleset_attr attr_of(int abi, unsigned flags, size_t *size)
{
    struct ruleset_attr a = {.fs = FS_ABI1};
    a.fs |= abi >= 2 ? FS_REFER : 0;
    a.fs |= abi >= 3 ? FS_TRUNCATE : 0;
    a.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    if (abi >= 4) {
        a.net |= (flags & (ISOLATE_LANDLOCK_NO_TCP | ISOLATE_LANDLOCK_NO_TCP_BIND)) != 0
                     ? NET_BIND_TCP
                     : 0;
        a.net |= (flags & ISOLATE_LANDLOCK_NO_TCP) != 0 ? NET_CONNECT : 0;
    }
    if (abi >= 6 && (flags & ISOLATE_LANDLOCK_SCOPED) != 0) {
        a.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
    }
    /* An older kernel refuses a longer structure only when the rest of it is not zero. */
    *size = sizeof(a);
    return a;
}

static int grant(int ruleset, const struct isolate_landlock_path *p, uint64_t handled,
                 struct error *err)
{
    cleanup_close int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : error_set(err, errno, "landlock: open %s", p->path);
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return error_set(err, errno, "landlock: look at %s", p->path);
    }
    struct path_attr a = {.allowed = rights_of(p->rights) & handled, .parent_fd = fd};
    if (!S_ISDIR(st.st_mode)) {
        a.allowed &= FS_OF_FILE;
    }
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &a, 0) != 0) {
        return error_set(err, errno, "landlock: grant %s", p->path);
    }
    return 0;
}

int isolate_landlock_restrict(const struct isolate_landlock_path *paths, size_t count,
                              unsigned flags, struct error *err)
{
    int rc = isolate_process_no_new_privs(err);
    if (rc < 0) {
        return rc;
    }
    const int abi = isolate_landlock_abi();
    if (abi == 0) {
        return 0;
    }
    size_t size;
    struct ruleset_attr attr = attr_of(abi, flags, &size);
    cleanup_close int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0) {
        return error_set(err, errno, "landlock: make a ruleset");
    }
    for (size_t i = 0; i < count; i++) {
        rc = grant(ruleset, &paths[i], attr.fs, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        return error_set(err, errno, "landlock: restrict");
    }
    return abi;
}
