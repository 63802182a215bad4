#include "runtime/watchdog.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "ipc/conversations.h"
#include "js/js.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS  5u   /* between two looks while a turn runs */
#define BUSY_MS  20u  /* between turns: memory grows by a GB a second at most */
#define IDLE_MS  100u /* after QUIET_MS without a turn */
#define QUIET_MS 1000u

struct watchdog {
    pthread_t thread;
    clockid_t cpu; /* of the thread that runs JavaScript */
    int statm;
    _Atomic uint64_t turn_ns;
    uint64_t heap_bytes;
    uint64_t idle_bytes;       /* resident after the first load */
    _Atomic uint64_t load_cpu; /* CPU time at the start, in ns */
    _Atomic uint64_t ceiling;  /* bytes resident */
    atomic_bool loaded;
    atomic_bool stop;
};

static _Atomic(const char *) current;

void watchdog_name(const char *id)
{
    atomic_store_explicit(&current, id, memory_order_relaxed);
}

/* Bytes resident, 0 when it cannot be told. */
static uint64_t resident(int statm)
{
    char text[128];
    ssize_t n = pread(statm, text, sizeof text - 1, 0);
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    const char *second = strchr(text, ' ');
    return second != NULL ? strtoull(second, NULL, 10) * 4096u : 0;
}

/* No allocation and no lock: the other threads may hold any. The supervisor tells the reason by
 * the status; only whose request it was is told here. */
static void end(enum ipc_runtime_exit status, const char *why)
{
    char line[512];
    const char *id = atomic_load_explicit(&current, memory_order_relaxed);
    int n = id == NULL
                ? 0
                : snprintf(line, sizeof line,
                           "sallyport-runtime: error: instance %.128s: %s: the runtime ends\n", id,
                           why);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) {
        /* There is nobody left to tell. */
    }
    _exit((int)status);
}

static void *watch(void *arg)
{
    struct watchdog *w = arg;
    uint64_t turn = 0;     /* stamp of the turn that runs */
    uint64_t turn_cpu = 0; /* CPU time when it was first seen */
    uint64_t last_ms = 0;
    while (!atomic_load(&w->stop)) {
        if (!atomic_load(&w->loaded)) {
            if (clock_ns(w->cpu) - atomic_load(&w->load_cpu) >
                    WATCHDOG_LOAD_MS * UINT64_C(1000000) ||
                resident(w->statm) > atomic_load(&w->ceiling)) {
                end(IPC_RUNTIME_EXIT_LOAD, "the load of its module passed a limit");
            }
            nanosleep(&(struct timespec){0, (long)BUSY_MS * 1000000}, NULL);
            continue;
        }
        uint64_t stamp = js_turn_started_ns();
        uint64_t now_ms = clock_monotonic_ms();
        if (stamp != 0) {
            uint64_t cpu = clock_ns(w->cpu);
            last_ms = now_ms;
            if (stamp != turn) {
                turn = stamp;
                turn_cpu = cpu;
            } else if (cpu - turn_cpu > atomic_load(&w->turn_ns)) {
                end(IPC_RUNTIME_EXIT_CPU, "a turn of its JavaScript ran over the CPU limit");
            }
        }
        if (resident(w->statm) > atomic_load(&w->ceiling)) {
            end(IPC_RUNTIME_EXIT_MEMORY, "its JavaScript passed the memory ceiling");
        }
        unsigned ms = stamp != 0 ? TURN_MS : now_ms - last_ms > QUIET_MS ? IDLE_MS : BUSY_MS;
        nanosleep(&(struct timespec){0, (long)ms * 1000000}, NULL);
    }
    return NULL;
}

static void limits_set(struct watchdog *w, const struct app_limits *limits)
{
    atomic_store(&w->turn_ns, (uint64_t)limits->turn_ms * 1000000u);
    w->heap_bytes = limits->heap_bytes;
}

struct watchdog *watchdog_start(const struct app_limits *limits, struct error *err)
{
    struct watchdog *w = calloc(1, sizeof *w);
    if (w == NULL) {
        error_set(err, 0, "watchdog: out of memory");
        return NULL;
    }
    w->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    limits_set(w, limits);
    if (w->statm < 0 || pthread_getcpuclockid(pthread_self(), &w->cpu) != 0) {
        error_set(err, errno, "watchdog: /proc/self/statm");
        watchdog_stop(w);
        return NULL;
    }
    atomic_store(&w->load_cpu, clock_ns(w->cpu));
    atomic_store(&w->ceiling, resident(w->statm) + w->heap_bytes);
    int rc = pthread_create(&w->thread, NULL, watch, w);
    if (rc != 0) {
        error_set(err, rc, "watchdog: start its thread");
        w->thread = 0;
        watchdog_stop(w);
        return NULL;
    }
    return w;
}

void watchdog_loading(struct watchdog *w)
{
    if (w != NULL) {
        watchdog_name(NULL);
        atomic_store(&w->load_cpu, clock_ns(w->cpu));
        atomic_store(&w->ceiling, resident(w->statm) + w->heap_bytes);
        atomic_store(&w->loaded, false);
    }
}

/* The heap of code that was replaced is still there, and some of what was freed stays with the
 * allocator: a heap more is granted for that, however many deploys there were. */
void watchdog_loaded(struct watchdog *w, const struct app_limits *limits)
{
    if (w != NULL) {
        uint64_t now = resident(w->statm);
        w->idle_bytes = w->idle_bytes != 0 ? w->idle_bytes : now;
        limits_set(w, limits);
        uint64_t most = w->idle_bytes + w->heap_bytes;
        now = now < most ? now : most;
        atomic_store(&w->ceiling, now + w->heap_bytes);
        atomic_store(&w->loaded, true);
    }
}

void watchdog_stop(struct watchdog *w)
{
    if (w == NULL) {
        return;
    }
    atomic_store(&w->stop, true);
    if (w->thread != 0) {
        pthread_join(w->thread, NULL);
    }
    close_fd(&w->statm);
    free(w);
}
