/* A module for tests, from the header alone. Macros: TYPE, and what it does: */
#include <catena/module.h>

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ABI
#define ABI CATENA_ABI_MAJOR
#endif

/* Writes a line about the call to the file that the environment names: tests see who was called, in which order, with what. */
static void note(const catena_call *call, const char *verb) {
    const char *path = getenv("SAMPLE_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s %s cid=%s ifname=%s args=%s prev=%d valid=%u config=%s\n", TYPE, verb, call->container_id, call->ifname, call->args,
            call->prev_result ? (int)call->prev_result->ip_count : -1, call->valid_attachment_count, call->config);
    fclose(file);
}

#ifdef QUEUES_LINKS
/* Queues the links of the host that are named, one after the other, and tells how many are in the queue then. */
static int32_t queue_links(const catena_call *call) {
    const catena_links *links = call->host->extension(call, CATENA_LINKS);
    if (!links || !CATENA_HAS(links, delete_queued)) return call->host->fail(call, 103, "no service " CATENA_LINKS, NULL);
    const char *const names[] = {QUEUES_LINKS};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int32_t status = links->queue_delete(call, (int32_t)if_nametoindex(names[i]), names[i]);
        if (status != CATENA_OK) return status;
    }
    char queued[32];
    snprintf(queued, sizeof queued, "%u-queued", links->queued(call));
    note(call, queued);
#ifdef DELETES_LINKS
    int32_t status = links->delete_queued(call);
    if (status != CATENA_OK) return status;
    snprintf(queued, sizeof queued, "%u-left,%s", links->queued(call), if_nametoindex(names[0]) ? "there" : "gone");
    note(call, queued);
#endif
    return CATENA_OK;
}
#endif

static int32_t add(const catena_call *call) {
    note(call, "ADD");
#if defined(QUEUES_LINKS) && defined(IN_ADD)
    return queue_links(call);
#endif
#ifdef FAIL
    return call->host->fail(call, 101, "sample cannot", "it was told so");
#endif
#ifdef SILENT
    return 7;
#endif
#ifdef MALFORMED
    catena_ip ip = {.size = sizeof ip, .interface_index = 5, .address = "10.0.0.1/24"};
    const catena_ip *ips[] = {&ip};
    catena_result result = {.size = sizeof result, .ip_count = 1, .ips = ips};
    return call->host->set_result(call, &result);
#endif
#ifdef MAKES
    catena_interface interface = {.size = sizeof interface, .name = call->ifname, .sandbox = call->netns, .mtu = 1400};
    const catena_interface *interfaces[] = {&interface};
    catena_ip ip = {.size = sizeof ip, .interface_index = 0, .address = "10.7.0.2/24", .gateway = "10.7.0.1"};
    const catena_ip *ips[] = {&ip};
    catena_result result = {.size = sizeof result, .interface_count = 1, .ip_count = 1, .interfaces = interfaces, .ips = ips};
    return call->host->set_result(call, &result);
#endif
#ifdef QUEUES
    const catena_nft *nft = call->host->extension(call, CATENA_NFT);
    if (!nft) return call->host->fail(call, 102, "no nftables service", NULL);
    return nft->queue(call, QUEUES, "a table of the sample");
#endif
#ifdef DELEGATES
    const catena_result *result = NULL;
    int32_t status = call->host->delegate(call, DELEGATES, CATENA_ADD, NULL, &result);
    return status != CATENA_OK ? status : call->host->set_result(call, result);
#endif
    return CATENA_OK;
}

static int32_t del(const catena_call *call) {
    note(call, "DEL");
#if defined(QUEUES_LINKS) && !defined(IN_ADD)
    int32_t status = queue_links(call);
    if (status != CATENA_OK) return status;
#endif
#ifdef FAIL_DEL
    return call->host->fail(call, 104, "sample cannot delete", NULL);
#endif
    return CATENA_OK;
}

static int32_t check(const catena_call *call) {
    note(call, "CHECK");
    return CATENA_OK;
}

static int32_t gc(const catena_call *call) {
    note(call, "GC");
#ifdef QUEUES_LINKS
    return queue_links(call);
#endif
    return CATENA_OK;
}

static int32_t status(const catena_call *call) {
    note(call, "STATUS");
    return CATENA_OK;
}

#ifndef SIZE
#define SIZE sizeof module
#endif
#ifndef VERSIONS
#define VERSIONS "0.4.0", "1.0.0", "1.1.0"
#endif
static const char *const versions[] = {VERSIONS, NULL};

CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
    static const catena_module module = {
        .size = SIZE, .abi_major = ABI, .kind = CATENA_KIND_META, .type = TYPE, .version = "1.0.0",
        .description = "a module for tests", .cni_versions = versions, .add = add, .del = del, .check = check, .gc = gc, .status = status,
    };
    (void)host_abi_major;
    return &module;
}
