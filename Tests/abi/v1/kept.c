/* A module of the first release: compiled against the header beside it, never against a newer one. It has to load and work for ever.
 * It uses every service and every function of catena.nft/1, and says in its result and log what they gave. */
#include <catena/module.h>

#include <stdio.h>
#include <string.h>

#define FAMILY "inet"
#define TABLE "kept"

static const char *const setup =
    "add table inet kept\n"
    "add set inet kept seen { type ipv4_addr; }\n"
    "add chain inet kept base { type filter hook forward priority 0; }";

static int32_t in_container(void *context) {
    *(int *)context = 1;
    return CATENA_OK;
}

static int32_t fill(const catena_call *call, const char *verb) {
    const catena_nft *nft = call->host->extension(call, CATENA_NFT);
    if (!nft || !CATENA_HAS(nft, commit)) return call->host->fail(call, CATENA_ERROR_INTERNAL, "no " CATENA_NFT, NULL);
    int32_t status = nft->has_chain(call, FAMILY, TABLE, "base");
    if (status != CATENA_OK && status != CATENA_NFT_ABSENT) return status;
    if (status == CATENA_NFT_ABSENT && (status = nft->queue(call, setup, "make table kept")) != CATENA_OK) return status;
    char command[128];
    snprintf(command, sizeof command, "%s element inet kept seen { 10.1.0.77 }", verb);
    return nft->queue(call, command, "note an address");
}

static int32_t add(const catena_call *call) {
    const catena_result *previous = call->prev_result;
    if (!previous) return call->host->fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "prevResult is missing", "chain it");
    int entered = 0;
    int32_t status = call->host->in_container(call, in_container, &entered);
    if (status != CATENA_OK) return status;
    if (call->host->netlink(call, 0) < 0 || call->host->netlink(call, 1) < 0) return 1;
    status = fill(call, "add");
    if (status != CATENA_OK) return status;
    catena_route *route = call->host->allocate(call, sizeof *route);
    const catena_route **routes = call->host->allocate(call, (previous->route_count + 1) * sizeof *routes);
    if (!route || !routes) return call->host->fail(call, CATENA_ERROR_INTERNAL, "out of memory", NULL);
    for (uint32_t i = 0; i < previous->route_count; i++) routes[i] = previous->routes[i];
    *route = (catena_route){.size = sizeof *route, .flags = CATENA_ROUTE_HAS_TABLE, .dst = "198.51.100.0/24", .mtu = 1300, .table = 77};
    routes[previous->route_count] = route;
    const char *search[] = {"kept.example"};
    catena_dns dns = {.size = sizeof dns, .search_count = 1, .search = search, .domain = "example"};
    catena_result result = *previous;
    result.size = sizeof result;
    result.route_count = previous->route_count + 1;
    result.routes = routes;
    result.dns = &dns;
    call->host->log(call, CATENA_LOG_INFO, entered ? "kept: entered the container" : "kept: did not enter");
    return call->host->set_result(call, &result);
}

static int32_t check(const catena_call *call) {
    const catena_nft *nft = call->host->extension(call, CATENA_NFT);
    const uint8_t key[] = {10, 1, 0, 77};
    const catena_nft_element *element = NULL;
    const char *json = NULL;
    int32_t status = nft->element(call, FAMILY, TABLE, "seen", key, sizeof key, &element);
    if (status == CATENA_NFT_ABSENT) return call->host->fail(call, 100, "check: the element is gone", NULL);
    if (status != CATENA_OK || (status = nft->query(call, "list set inet kept seen", &json)) != CATENA_OK) return status;
    return strstr(json, "10.1.0.77") ? CATENA_OK : call->host->fail(call, 100, "check: the list has no element", NULL);
}

static int32_t del(const catena_call *call) {
    /* It may be gone: add first, so that the deletion can't fail. */
    int32_t status = fill(call, "add");
    if (status == CATENA_OK) status = fill(call, "delete");
    const catena_nft *nft = call->host->extension(call, CATENA_NFT);
    return status == CATENA_OK ? nft->commit(call) : status;
}

static int32_t gc(const catena_call *call) {
    char text[64];
    snprintf(text, sizeof text, "kept: gc with %u in use", call->valid_attachment_count);
    call->host->log(call, CATENA_LOG_INFO, text);
    return CATENA_OK;
}

static int32_t status(const catena_call *call) {
    const catena_result *result = NULL;
    if (call->host->delegate(call, "no-such-plugin", CATENA_STATUS, NULL, &result) == CATENA_OK) return 1;
    uint32_t code = 0;
    const char *message = NULL;
    if (call->host->failure(call, &code, &message, NULL) != CATENA_OK || !message[0]) return 1;
    return call->host->fail(call, CATENA_ERROR_NOT_AVAILABLE, "kept: told to say so", message);
}

static const char *const versions[] = {"0.4.0", "1.0.0", "1.1.0", NULL};

CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
    static const catena_module module = {
        .size = sizeof module, .abi_major = CATENA_ABI_MAJOR, .kind = CATENA_KIND_META, .type = "kept", .version = "1.0.0",
        .description = "a module of the first release", .cni_versions = versions, .add = add, .del = del, .check = check, .gc = gc,
        .status = status,
    };
    return host_abi_major == CATENA_ABI_MAJOR ? &module : NULL;
}
