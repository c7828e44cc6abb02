/* A module that does on VERB what no module may: DOES is a statement. ABOUT overrides members of catena_module; AT_FILE_SCOPE is what
 * stands outside of functions; ENTRY is done when the host asks for the module. */
#define _GNU_SOURCE 1
#include <catena/module.h>

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef VERB
#define VERB CATENA_ADD
#endif
#ifndef DOES
#define DOES
#endif
#ifndef ABOUT
#define ABOUT .description = "a module that misbehaves"
#endif
#ifndef VERSIONS
#define VERSIONS "0.4.0", "1.0.0", "1.1.0"
#endif
#ifndef ENTRY
#define ENTRY if (host_abi_major != CATENA_ABI_MAJOR) return NULL
#endif
#ifdef AT_FILE_SCOPE
AT_FILE_SCOPE
#endif

/* For statements that need one. */
__attribute__((unused)) static void *sleep_on(void *nothing) {
    for (;;) pause();
    return nothing;
}

/* Leaves a process behind that is no child of the caller's. */
__attribute__((unused)) static void leave_a_daemon(void) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) sleep_on(NULL);
        _exit(0);
    }
    int status;
    while (wait(&status) > 0) {}
}

__attribute__((unused)) static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    if (!file) return;
    fputs(text, file);
    fclose(file);
}

static int32_t serve(const catena_call *call, uint32_t operation) {
    const char *path = getenv("SAMPLE_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%s %u\n", TYPE, call->operation);
        fclose(file);
    }
    if (operation == VERB) {
        DOES;
    }
    return CATENA_OK;
}

static int32_t add(const catena_call *call) { return serve(call, CATENA_ADD); }
static int32_t del(const catena_call *call) { return serve(call, CATENA_DEL); }
static int32_t check(const catena_call *call) { return serve(call, CATENA_CHECK); }
static int32_t gc(const catena_call *call) { return serve(call, CATENA_GC); }
static int32_t status(const catena_call *call) { return serve(call, CATENA_STATUS); }

static const char *const versions[] = {VERSIONS, NULL};

CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
    static const catena_module module = {
        .size = sizeof module, .abi_major = CATENA_ABI_MAJOR, .kind = CATENA_KIND_META, .type = TYPE, .version = "1.0.0",
        .cni_versions = versions, .add = add, .del = del, .check = check, .gc = gc, .status = status, ABOUT,
    };
    ENTRY;
    (void)host_abi_major;
    return &module;
}
