/* What catena/helpers.h gives, with a host that keeps what it is told. Prints "ok"; a failed assertion ends it. C and C++. */
#undef NDEBUG
#include <catena/helpers.h>

#include <assert.h>
#include <stdlib.h>

static void *blocks[64];
static int block_count, blocks_left = 64;
static uint32_t said_code;
static char said[256], advised[256];

static void *allocate(const catena_call *call, uint64_t bytes) {
    (void)call;
    if (blocks_left-- <= 0) return NULL;
    return blocks[block_count++] = calloc(1, (size_t)bytes);
}

static int32_t fail(const catena_call *call, uint32_t code, const char *message, const char *details) {
    (void)call;
    said_code = code;
    snprintf(said, sizeof said, "%s", message);
    snprintf(advised, sizeof advised, "%s", details ? details : "none");
    return 1;
}

static void note(const catena_call *call, uint32_t level, const char *message) {
    (void)call;
    said_code = level;
    snprintf(said, sizeof said, "%s", message);
}

static void texts(const catena_call *call) {
    assert(strcmp(catena_format(call, "%s-%d", "a", 7), "a-7") == 0);
    assert(strlen(catena_format(call, "%01000d", 1)) == 1000);
    assert(catena_fail(call, 100, "do this", "make %s: %d", "x", 5) == 1 && said_code == 100);
    assert(strcmp(said, "make x: 5") == 0 && strcmp(advised, "do this") == 0);
    assert(catena_out_of_memory(call) == 1 && said_code == CATENA_ERROR_INTERNAL && strcmp(advised, "none") == 0);
    catena_log(call, CATENA_LOG_WARNING, "%u of them", 3u);
    assert(said_code == CATENA_LOG_WARNING && strcmp(said, "3 of them") == 0);
    /* Without memory the format itself is said: better than nothing. */
    blocks_left = 0;
    assert(catena_fail(call, 7, NULL, "make %s", "x") == 1 && strcmp(said, "make %s") == 0);
    assert(!catena_format(call, "x") && !catena_result_copy(call, NULL));
    blocks_left = 40;
}

static void results(const catena_call *call) {
    catena_route route;
    catena_ip ip;
    catena_interface interface;
    catena_result *result = catena_result_copy(call, NULL), *copy;
    memset(&route, 0, sizeof route);
    memset(&ip, 0, sizeof ip);
    memset(&interface, 0, sizeof interface);
    assert(result && result->size == sizeof *result && !result->routes && !result->dns);
    assert(catena_result_add_route(call, result, &route) && catena_result_add_ip(call, result, &ip));
    assert(catena_result_add_interface(call, result, &interface) && catena_result_add_nameserver(call, result, "192.0.2.53"));
    copy = catena_result_copy(call, result);
    assert(catena_result_add_route(call, copy, &route) && catena_result_add_nameserver(call, copy, "192.0.2.54"));
    assert(copy->route_count == 2 && copy->routes[0] == &route && copy->ips[0] == &ip && copy->interfaces[0] == &interface);
    assert(copy->dns->nameserver_count == 2 && strcmp(copy->dns->nameservers[1], "192.0.2.54") == 0);
    /* What was copied is as it was. */
    assert(result->route_count == 1 && result->dns->nameserver_count == 1);
    blocks_left = 0;
    assert(!catena_result_add_route(call, copy, &route) && !catena_result_add_nameserver(call, copy, "x"));
    assert(copy->route_count == 2 && copy->dns->nameserver_count == 2);
    blocks_left = 20;
}

/* A host that is older, or newer, than the header: no byte behind a struct is read, what both know is copied. */
static void other_releases(const catena_call *call) {
    size_t small = offsetof(catena_result, dns);
    catena_result *older = (catena_result *)malloc(small);
    struct {
        catena_result result;
        char later[64];
    } newer;
    assert(older);
    memset(older, 0, small);
    older->size = (uint32_t)small;
    older->ip_count = 3;
    memset(&newer, 0xff, sizeof newer);
    newer.result.size = (uint32_t)sizeof newer;
    newer.result.dns = NULL;
    assert(catena_result_copy(call, older)->ip_count == 3 && !catena_result_copy(call, older)->dns);
    assert(catena_result_copy(call, older)->size == sizeof *older && catena_result_copy(call, &newer.result)->size == sizeof *older);
    free(older);
}

int main(void) {
    catena_host host;
    catena_call call;
    memset(&host, 0, sizeof host);
    memset(&call, 0, sizeof call);
    host.allocate = allocate;
    host.fail = fail;
    host.log = note;
    call.host = &host;
    texts(&call);
    results(&call);
    other_releases(&call);
    while (block_count > 0) free(blocks[--block_count]);
    puts("ok");
    return 0;
}
