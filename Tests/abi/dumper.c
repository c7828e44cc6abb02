/* A meta module that lists all links of the host on ADD: what a module on the hot path must not do. */
#include <catena/module.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static int32_t add(const catena_call *call) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } request = {{sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {.ifi_family = AF_UNSPEC}};
    static char answer[1 << 16];
    int fd = call->host->netlink(call, 0);
    if (fd < 0 || send(fd, &request, sizeof request, 0) < 0) return call->host->fail(call, CATENA_ERROR_IO_FAILURE, "list links", "");
    for (;;) {
        ssize_t count = recv(fd, answer, sizeof answer, 0);
        if (count <= 0) return call->host->fail(call, CATENA_ERROR_IO_FAILURE, "list links", "");
        for (struct nlmsghdr *m = (struct nlmsghdr *)answer; NLMSG_OK(m, count); m = NLMSG_NEXT(m, count))
            if (m->nlmsg_type == NLMSG_DONE) return CATENA_OK;
    }
}

static const char *const versions[] = {"1.0.0", "1.1.0", 0};

static const catena_module module = {
    .size = sizeof module,
    .abi_major = CATENA_ABI_MAJOR,
    .type = "dumper",
    .version = "1",
    .description = "lists all links",
    .kind = CATENA_KIND_META,
    .cni_versions = versions,
    .add = add,
};

CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi) { return host_abi == CATENA_ABI_MAJOR ? &module : 0; }
