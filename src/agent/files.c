#include "agent/files.h"

#include <stdio.h>
#include <unistd.h>

int files_call(char **argv)
{
    dprintf(STDERR_FILENO, "ENOSYS: %s: no such file call\n", argv[0]);
    return 1;
}
