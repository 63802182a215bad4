#include "supervisor/container_command.h"

#include "supervisor/container_op.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <stdlib.h>

#define LABEL_MAX 256u

static void tell(struct op *op, int status, const char *why)
{
    command_told_fn told = op->told;
    op->told = NULL;
    if (told != NULL) {
        told(op->told_arg, status, why);
    }
}

static void on_started(void *arg, uint32_t process, pid_t pid)
{
    struct op *op = arg;
    (void)process;
    (void)pid;
    op->answered = true;
    tell(op, 0, NULL);
}

static void command_forget(struct member *m)
{
    free(m->command);
    m->command = NULL;
    m->command_len = 0;
}

static void on_refused(void *arg, uint32_t process, int status, struct span sentence)
{
    struct op *op = arg;
    char why[ERROR_TEXT_BYTES];
    struct member *m = fleet_find(op->all->s->fleet, span_str(op->id));
    if (m != NULL) {
        command_forget(m);
    }
    size_t len = sentence.len < sizeof why - 1 ? sentence.len : sizeof why - 1;
    (void)process;
    memcpy(why, sentence.ptr, len);
    why[len] = 0;
    op->agent = NULL;
    tell(op, status, why);
    op_free(op);
}

static void end(struct op *op, enum agent_end how, int number)
{
    struct runtime_link *r = runtimes_active(op->all->s->runtimes);
    op->agent = NULL;
    if (!op->answered) {
        tell(op, 125, "the sandbox ended");
    } else if (r != NULL) {
        runtime_link_process(r, span_str(op->id), op->process, agent_end_name(how), number);
    }
    op_free(op);
}

static void on_ended(void *arg, uint32_t process, enum agent_end how, int number)
{
    (void)process;
    end(arg, how, number);
}

static const struct agent_process_events events = {on_started, on_refused, on_ended};

static void on_lost(void *arg)
{
    end(arg, AGENT_END_LOST, 0);
}

/* `command WORD WORD…`, as code labels its own; what is too long is cut between characters. */
static size_t label_make(struct span argv, char label[LABEL_MAX])
{
    size_t len = sizeof COMMAND_ID - 1;
    memcpy(label, COMMAND_ID, len);
    label[len++] = ' ';
    size_t n = argv.len - 1 < LABEL_MAX - len ? argv.len - 1 : LABEL_MAX - len;
    while (n > 0 && n < argv.len - 1 && ((unsigned char)argv.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        label[len++] = argv.ptr[i] != 0 ? argv.ptr[i] : ' ';
    }
    return len;
}

static int run(struct op *op, struct member *m, struct span argv, struct error *err)
{
    char label[LABEL_MAX];
    struct agent_run what = {
        .flags = SPAN_LIT("b"), .label = span_of(label, label_make(argv, label)), .argv = argv};
    struct agent_link *agent = instance_agent(m->instance);
    if (agent == NULL) {
        return error_set(err, 0, "the sandbox is ending");
    }
    op->process = agent_link_run(agent, &what, &events, op, err);
    if (op->process == 0) {
        return -1;
    }
    op->agent = agent;
    op->task = (struct member_task){.lost = on_lost, .arg = op, .foreign = true};
    list_append(&m->tasks, &op->task.node);
    return 0;
}

int container_command(struct containers *all, struct member *m, struct span argv,
                      command_told_fn told, void *arg, struct error *err)
{
    struct op *op = op_new(all, span_str(m->id));
    char *words = malloc(argv.len);
    if (op == NULL || words == NULL) {
        free(words);
        if (op != NULL) {
            op_free(op);
        }
        return error_set(err, ENOMEM, "start a process");
    }
    memcpy(words, argv.ptr, argv.len);
    int rc = run(op, m, argv, err);
    if (rc < 0) {
        free(words);
        op_free(op);
        return rc;
    }
    op->told = told;
    op->told_arg = arg;
    command_forget(m);
    m->command = words;
    m->command_len = argv.len;
    return 0;
}
