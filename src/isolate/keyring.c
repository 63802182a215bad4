#include "isolate/keyring.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

int isolate_keyring_new_session(struct error *err)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS) {
        return 0;
    }
    if (errno == EDQUOT) {
        return error_set(err, errno,
                         "make a session keyring: this user has too many: raise "
                         "kernel.keys.maxkeys with sysctl");
    }
    return error_set(err, errno, "make a session keyring");
}
