/* try: starts one sandbox by hand, `try [-u] DIR COMMAND [ARG…]`; times it with -n COUNT. */
#include "play.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    int count = 0;
    enum play_who who = PLAY_AS_IS;
    int opt;
    while ((opt = getopt(argc, argv, "+un:")) != -1) {
        who = opt == 'u' ? PLAY_AS_ORDINARY : who;
        count = opt == 'n' ? atoi(optarg) : count;
    }
    if (argc - optind < 2) {
        return 2;
    }
    static uint64_t us[3][1000];
    const int runs = count > 0 && count <= 1000 ? count : 1;
    int status = 0;
    for (int i = 0; i < runs; i++) {
        struct play p = {.who = who, .home = getenv("HOME"), .stdio = {0, 1, 2}};
        p.spec = play_spec(argv[optind]);
        p.argv = (const char *const *)(argv + optind + 1);
        uint64_t begin = clock_monotonic_us();
        bool ok = play_start(&p);
        us[0][i] = clock_monotonic_us() - begin;
        ok = ok && play_go(&p);
        us[1][i] = clock_monotonic_us() - begin;
        if (!ok) {
            fprintf(stderr, "try: %s\n", p.failure);
        }
        status = play_end(&p);
        us[2][i] = clock_monotonic_us() - begin;
    }
    static const char *const names[] = {"sockets", "started", "ended"};
    for (int s = 0; count > 0 && s < 3; s++) {
        qsort(us[s], (size_t)runs, sizeof(us[s][0]), compare);
        printf("%s ms: min %.2f median %.2f\n", names[s], (double)us[s][0] / 1000,
               (double)us[s][runs / 2] / 1000);
    }
    return status;
}
