#include "agent/agent.h"
#include "agent/background.h"
#include "base/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>

struct process *process_by_number(struct agent *a, uint32_t number)
{
    LIST_FOREACH(node, &a->processes)
    {
        struct process *p = LIST_ENTRY(node, struct process, node);
        if (p->number == number) {
            return p;
        }
    }
    return NULL;
}

struct process *process_by_pid(struct agent *a, pid_t pid)
{
    LIST_FOREACH(node, &a->processes)
    {
        struct process *p = LIST_ENTRY(node, struct process, node);
        if (p->pid == pid) {
            return p;
        }
    }
    return NULL;
}

void process_free(struct agent *a, struct process *p)
{
    list_remove(&p->node);
    a->process_count--;
    words_free(&p->overlay);
    free(p->session);
    free(p);
}

void process_kill(const struct process *p, int signum)
{
    if (kill(-p->pid, signum) != 0) {
        kill(p->pid, signum);
    }
}

static void ended(struct agent *a, struct process *p, int raw)
{
    const bool by_signal = WIFSIGNALED(raw);
    const char *how = p->timed_out ? "timeout" : by_signal ? "signal" : "exit";
    const int number = p->timed_out ? SIGKILL : by_signal ? WTERMSIG(raw) : WEXITSTATUS(raw);
    const bool is_main = p->is_main;
    background_ended(a, p->background, how, number);
    say_exited(a, p->number, how, number);
    process_free(a, p);
    if (is_main) {
        agent_exit(by_signal ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw));
    }
}

void processes_reap(struct agent *a)
{
    int raw;
    pid_t pid;
    while ((pid = waitpid(-1, &raw, WNOHANG)) > 0) {
        struct process *p = process_by_pid(a, pid);
        if (p != NULL) {
            ended(a, p, raw);
        }
    }
    if (a->ending != 0 && list_empty(&a->processes)) {
        agent_exit(128 + a->ending);
    }
}

/* A terminal would send these to a group, kill(1) sends those to one process. */
static void forward(const struct process *p, int signum)
{
    switch (signum) {
    case SIGTERM:
    case SIGUSR1:
    case SIGUSR2:
        kill(p->pid, signum);
        break;
    case SIGTSTP:
        /* It leads a session of its own, where the kernel drops the stop of a terminal. */
        process_kill(p, SIGSTOP);
        break;
    default:
        process_kill(p, signum);
        break;
    }
}

static struct process *main_process(struct agent *a)
{
    LIST_FOREACH(node, &a->processes)
    {
        struct process *p = LIST_ENTRY(node, struct process, node);
        if (p->is_main) {
            return p;
        }
    }
    return NULL;
}

static bool asks_for_the_end(int signum)
{
    return signum == SIGTERM || signum == SIGINT || signum == SIGHUP || signum == SIGQUIT;
}

void processes_signal(struct agent *a, int signum)
{
    const struct process *first = main_process(a);
    if (first != NULL) {
        forward(first, signum);
        return;
    }
    LIST_FOREACH(node, &a->processes)
    {
        process_kill(LIST_ENTRY(node, struct process, node), signum == SIGTSTP ? SIGSTOP : signum);
    }
    if (asks_for_the_end(signum)) {
        a->ending = signum;
        processes_reap(a);
    }
}

int processes_timeout(struct agent *a)
{
    const uint64_t now = clock_monotonic_ms();
    uint64_t next = 0;
    LIST_FOREACH(node, &a->processes)
    {
        struct process *p = LIST_ENTRY(node, struct process, node);
        if (p->deadline_ms == 0 || p->timed_out) {
            continue;
        }
        if (p->deadline_ms <= now) {
            p->timed_out = true;
            process_kill(p, SIGKILL);
        } else if (next == 0 || p->deadline_ms < next) {
            next = p->deadline_ms;
        }
    }
    if (next == 0) {
        return -1;
    }
    return next - now < INT_MAX ? (int)(next - now) : INT_MAX;
}
