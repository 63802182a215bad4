#include "launcher/env.h"

#include "launcher/etc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CA     ETC_INSTANCE_DIR "/ca.pem"
#define BUNDLE ETC_INSTANCE_DIR "/bundle.pem"
#define JAVA   ETC_INSTANCE_DIR "/java.p12"

/* The first group replaces a program's store, so it names the merged bundle; the second adds to it.
 */
static const struct {
    const char *name;
    const char *value;
} trust[] = {
    {"SSL_CERT_FILE", BUNDLE},
    {"SSL_CERT_DIR", "/etc/ssl/certs:" ETC_INSTANCE_DIR "/certs"},
    {"CURL_CA_BUNDLE", BUNDLE},
    {"REQUESTS_CA_BUNDLE", BUNDLE},
    {"PIP_CERT", BUNDLE},
    {"GIT_SSL_CAINFO", BUNDLE},
    {"AWS_CA_BUNDLE", BUNDLE},
    {"CARGO_HTTP_CAINFO", BUNDLE},
    {"BUNDLE_SSL_CA_CERT", BUNDLE},
    {"npm_config_cafile", BUNDLE},
    {"CODEX_CA_CERTIFICATE", BUNDLE},
    {"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", BUNDLE},
    {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", BUNDLE},
    {"HEX_CACERTS_PATH", BUNDLE},
    {"COMPOSER_CAFILE", BUNDLE},
    {"JULIA_SSL_CA_ROOTS_PATH", BUNDLE},
    {"NIX_SSL_CERT_FILE", BUNDLE},
    {"JAVA_TOOL_OPTIONS",
     "-Djavax.net.ssl.trustStore=" JAVA " -Djavax.net.ssl.trustStorePassword=changeit"},
    {"NODE_EXTRA_CA_CERTS", CA},
    {"NODE_USE_SYSTEM_CA", "1"},
    {"DENO_CERT", CA},
    {"DENO_TLS_CA_STORE", "system,mozilla"},
    {"UV_SYSTEM_CERTS", "true"},
    /* Not trust, but the same need: npm takes a denial (520) for a passing fault and would wait
     * 10 s and more before each retry. It still retries, without the wait. */
    {"npm_config_fetch_retry_mintimeout", "200"},
    {"npm_config_fetch_retry_maxtimeout", "1000"},
};

#define TRUST_COUNT (sizeof(trust) / sizeof(trust[0]))

/* A value given again replaces the first. */
static bool set(struct env *env, const char *name, size_t name_len, const char *value)
{
    struct env_item *item = NULL;
    for (size_t i = 0; i < env->count && item == NULL; i++) {
        if (strlen(env->items[i].name) == name_len &&
            memcmp(env->items[i].name, name, name_len) == 0) {
            item = &env->items[i];
        }
    }
    char *copy = strdup(value);
    if (item == NULL) {
        item = &env->items[env->count];
        item->name = strndup(name, name_len);
        env->count++;
    }
    free(item->value);
    item->value = copy;
    return item->name != NULL && copy != NULL;
}

/* Folders of the caller's PATH that the sandbox has too, in that order, then the usual ones. */
static void make_path(char *out, size_t size)
{
    static const char *const usual[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                        "/usr/bin",        "/sbin",          "/bin"};
    static const char *const shown[] = {"/usr/", "/opt/", "/bin", "/sbin"};
    const char *caller = getenv("PATH");
    size_t used = 0;
    out[0] = '\0';
    for (const char *at = caller != NULL ? caller : ""; *at != '\0';) {
        size_t len = strcspn(at, ":");
        for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
            if (strncmp(at, shown[i], strlen(shown[i])) == 0 && used + len + 2 < size) {
                used += (size_t)snprintf(out + used, size - used, "%s%.*s", used > 0 ? ":" : "",
                                         (int)len, at);
                break;
            }
        }
        at += len + (at[len] == ':');
    }
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        char with[40];
        char have[4200];
        snprintf(with, sizeof(with), ":%s:", usual[i]);
        snprintf(have, sizeof(have), ":%s:", out);
        if (strstr(have, with) == NULL && used + strlen(usual[i]) + 2 < size) {
            used +=
                (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ":" : "", usual[i]);
        }
    }
}

static const char *from_caller(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

bool env_make(struct env *env, const struct spec *spec, const struct user *user)
{
    char path[4096];
    make_path(path, sizeof(path));
    env->count = 0;
    env->items = calloc(5 + TRUST_COUNT + spec->env.count, sizeof(*env->items));
    bool ok = env->items != NULL && set(env, "PATH", 4, path) && set(env, "HOME", 4, user->home) &&
              set(env, "USER", 4, user->name) && set(env, "TERM", 4, from_caller("TERM", "dumb")) &&
              set(env, "LANG", 4, from_caller("LANG", "C.UTF-8"));
    for (size_t i = 0; ok && i < TRUST_COUNT; i++) {
        ok = set(env, trust[i].name, strlen(trust[i].name), trust[i].value);
    }
    for (size_t i = 0; ok && i < spec->env.count; i++) {
        const char *text = spec->env.items[i];
        const char *equals = strchr(text, '=');
        ok = set(env, text, (size_t)(equals - text), equals + 1);
    }
    return ok;
}

void env_free(struct env *env)
{
    for (size_t i = 0; env->items != NULL && i < env->count; i++) {
        free(env->items[i].name);
        free(env->items[i].value);
    }
    free(env->items);
}
