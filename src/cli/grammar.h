/*
 * grammar: the words of options, checked by themselves. Each sentence names what was expected and
 * never shows a value that may be secret.
 */
#ifndef SALLYPORT_CLI_GRAMMAR_H
#define SALLYPORT_CLI_GRAMMAR_H

#include "base/error.h"
#include "base/span.h"

#define GRAMMAR_PORT_NONE 0u

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
int grammar_id(const char *text, struct error *err);
/* An id, or the name that code gave an object: 1 to 1024 bytes of UTF-8. */
int grammar_name(const char *text, struct error *err);
/* ADDR:PORT with a literal address, an IPv6 one in brackets; port 0 takes any */
int grammar_listen(const char *text, struct error *err);
/* A glob over host names, or a CIDR block: no space, control byte, slash (but a CIDR's), port. */
int grammar_host_glob(const char *text, struct error *err);
/* HOST:PORT, an IPv6 host in brackets */
int grammar_endpoint(const char *text, struct error *err);
/* HOST:PORT:ADDR[:PORT] */
int grammar_resolve(const char *text, struct error *err);
/* K=V or K */
int grammar_env(const char *text, struct error *err);

struct grammar_inject {
    struct span host;
    struct span header;
    struct span value;
};

/* `HOST: HEADER: VALUE`; the spans are lent from text. */
int grammar_inject(const char *text, struct grammar_inject *out, struct error *err);
/* Calls each with the name of every ${NAME} in value; stops at the first negative result. */
int grammar_placeholders(struct span value,
                         int (*each)(void *arg, struct span name, struct error *err), void *arg,
                         struct error *err);

struct grammar_secret {
    struct span name;
    enum { SECRET_ENV, SECRET_FILE, SECRET_FD } kind;
    const char *from; /* variable or path, lent; NULL: the variable is called NAME */
    int fd;
};

/* NAME, NAME=env:VAR, NAME=file:PATH, NAME=fd:N */
int grammar_secret(const char *text, struct grammar_secret *out, struct error *err);

struct grammar_bind {
    struct span source;
    struct span target; /* empty: the same as source */
    bool read_only;
};

/* SRC[:DST][:ro] */
int grammar_bind(const char *text, struct grammar_bind *out, struct error *err);

#endif
