/* A module that does on VERB what no module may: DOES is a statement. */
#define _GNU_SOURCE 1
#include <catena/module.h>

#include <alloca.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static const char *const versions[] = {"0.4.0", "1.0.0", "1.1.0", NULL};

CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
    static const catena_module module = {
        .size = sizeof module, .abi_major = CATENA_ABI_MAJOR, .kind = CATENA_KIND_META, .type = TYPE, .version = "1.0.0",
        .description = "a module that misbehaves", .cni_versions = versions, .add = add, .del = del, .check = check,
    };
    (void)host_abi_major;
    return &module;
}
