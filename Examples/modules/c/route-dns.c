/* route-dns: gives the container routes and name servers beside those of the plugins before it. README.md says what its keys mean. */
#include <catena/helpers.h>

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- Configuration ---- */

struct route {
    const char *dst;  /* as configured */
    const char *gw;   /* as configured, else that of the container's first address of the family; NULL: on the link */
    int family;       /* AF_INET, AF_INET6 */
    uint8_t prefix;
    uint8_t address[16];
    uint8_t gateway[16];
};

struct config {
    uint32_t route_count;
    struct route *routes;
    uint32_t nameserver_count;
    const char **nameservers;
};

static size_t address_size(int family) { return family == AF_INET ? 4 : 16; }

static int family_of(const char *text) { return strchr(text, ':') ? AF_INET6 : AF_INET; }

/* "198.51.100.0/24", without bits behind the prefix. */
static int parse_network(const char *text, struct route *route) {
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    char *end = NULL;
    if (!slash || (size_t)(slash - text) >= sizeof address || slash[1] < '0' || slash[1] > '9') return 0;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    route->family = family_of(address);
    unsigned long prefix = strtoul(slash + 1, &end, 10), bits = 8 * address_size(route->family);
    if (*end || prefix > bits || inet_pton(route->family, address, route->address) != 1) return 0;
    for (unsigned long bit = prefix; bit < bits; bit++)
        if (route->address[bit / 8] & (0x80u >> bit % 8)) return 0;
    route->prefix = (uint8_t)prefix;
    return 1;
}

static int32_t wrong_type(const catena_call *call, const char *place, const char *expected) {
    return catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "%s: expected %s", place, expected);
}

static int32_t read_route(const catena_call *call, const json_t *item, size_t index, struct route *route) {
    const json_t *dst = json_object_get(item, "dst"), *gw = json_object_get(item, "gw");
    if (!json_is_string(dst)) return catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "routes[%zu].dst: expected a string", index);
    if (gw && !json_is_string(gw)) return catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "routes[%zu].gw: expected a string", index);
    if (!parse_network(json_string_value(dst), route))
        return catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "198.51.100.0/24 is one, 198.51.100.7/24 is not",
                           "routes[%zu].dst: \"%s\" is no network", index, json_string_value(dst));
    if (gw && inet_pton(route->family, json_string_value(gw), route->gateway) != 1)
        return catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "it must be an address of the family of dst",
                           "routes[%zu].gw: \"%s\" is no gateway to %s", index, json_string_value(gw), json_string_value(dst));
    route->dst = catena_format(call, "%s", json_string_value(dst));
    route->gw = gw ? catena_format(call, "%s", json_string_value(gw)) : NULL;
    return route->dst && (route->gw || !gw) ? CATENA_OK : catena_out_of_memory(call);
}

static int32_t read_nameserver(const catena_call *call, const json_t *item, size_t index, const char **nameserver) {
    uint8_t address[16];
    const char *text = json_string_value(item);
    if (!text) return catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "nameservers[%zu]: expected a string", index);
    if (inet_pton(family_of(text), text, address) != 1)
        return catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, NULL, "nameservers[%zu]: \"%s\" is no IP address", index, text);
    *nameserver = catena_format(call, "%s", text);
    return *nameserver ? CATENA_OK : catena_out_of_memory(call);
}

/* Our keys of the configuration. JSON's null counts as absent. */
static int32_t read_keys(const catena_call *call, const json_t *root, struct config *config) {
    const json_t *routes = json_object_get(root, "routes"), *nameservers = json_object_get(root, "nameservers"), *item;
    size_t index;
    int32_t status;
    if (routes && !json_is_null(routes) && !json_is_array(routes)) return wrong_type(call, "routes", "a list");
    if (nameservers && !json_is_null(nameservers) && !json_is_array(nameservers)) return wrong_type(call, "nameservers", "a list");
    config->routes = call->host->allocate(call, json_array_size(routes) * sizeof *config->routes);
    config->nameservers = call->host->allocate(call, json_array_size(nameservers) * sizeof *config->nameservers);
    if (!config->routes || !config->nameservers) return catena_out_of_memory(call);
    json_array_foreach(routes, index, item) {
        if ((status = read_route(call, item, index, &config->routes[index])) != CATENA_OK) return status;
        config->route_count++;
    }
    json_array_foreach(nameservers, index, item) {
        if ((status = read_nameserver(call, item, index, &config->nameservers[index])) != CATENA_OK) return status;
        config->nameserver_count++;
    }
    return CATENA_OK;
}

static int32_t read_config(const catena_call *call, struct config *config) {
    json_error_t error;
    json_t *root = json_loads(call->config, 0, &error);
    memset(config, 0, sizeof *config);
    if (!json_is_object(root)) {
        json_decref(root);
        return catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "decode configuration: %s", root ? "expected an object" : error.text);
    }
    int32_t status = read_keys(call, root, config);
    json_decref(root);
    return status;
}

/* A route without a gateway of its own goes the way of the container's first address of its family. */
static void complete_gateways(const catena_result *previous, struct config *config) {
    for (uint32_t i = 0; i < config->route_count; i++) {
        struct route *route = &config->routes[i];
        for (uint32_t j = 0; j < previous->ip_count && !route->gw; j++) {
            const char *gateway = previous->ips[j]->gateway;
            if (gateway && inet_pton(route->family, gateway, route->gateway) == 1) route->gw = gateway;
        }
    }
}

/* ---- The kernel: rtnetlink(7) on the socket that the host has in the container's namespace ---- */

struct kernel {
    int fd;
    uint32_t sequence;
    const char *ifname;
    uint32_t link; /* the index of the container's interface */
};

static int32_t look_up_link(void *context) {
    struct kernel *kernel = context;
    kernel->link = if_nametoindex(kernel->ifname);
    return CATENA_OK;
}

/* Finds the socket and the interface; `link` is 0 where there is none. */
static int32_t open_kernel(const catena_call *call, struct kernel *kernel) {
    *kernel = (struct kernel){.fd = call->host->netlink(call, 1), .ifname = call->ifname};
    if (kernel->fd < 0) return 1; /* the host has said why */
    return call->host->in_container(call, look_up_link, kernel);
}

/* Sends a message and waits for the answer to it, which takes the message's place. Returns 0, or the errno of the kernel's. */
static int ask(struct kernel *kernel, char *buffer, size_t size) {
    struct nlmsghdr *message = (struct nlmsghdr *)buffer;
    uint32_t sequence = message->nlmsg_seq = ++kernel->sequence;
    if (send(kernel->fd, message, message->nlmsg_len, 0) < 0) return errno;
    for (;;) {
        ssize_t count = recv(kernel->fd, buffer, size, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno;
        if (!mnl_nlmsg_ok(message, (int)count) || message->nlmsg_seq != sequence) continue;
        if (message->nlmsg_type != NLMSG_ERROR) return 0;
        return -((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
    }
}

static struct rtmsg *put_route(char *buffer, uint16_t type, uint16_t flags, const struct route *route) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof *body);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    body->rtm_family = (uint8_t)route->family;
    body->rtm_dst_len = route->prefix;
    mnl_attr_put(message, RTA_DST, address_size(route->family), route->address);
    return body;
}

static int add_route(struct kernel *kernel, const struct route *route) {
    char buffer[8192];
    struct rtmsg *body = put_route(buffer, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, route);
    struct nlmsghdr *message = (struct nlmsghdr *)buffer;
    body->rtm_table = RT_TABLE_MAIN;
    body->rtm_protocol = RTPROT_STATIC;
    body->rtm_type = RTN_UNICAST;
    body->rtm_scope = route->gw || route->family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    mnl_attr_put_u32(message, RTA_OIF, kernel->link);
    if (route->gw) mnl_attr_put(message, RTA_GATEWAY, address_size(route->family), route->gateway);
    return ask(kernel, buffer, sizeof buffer);
}

/* One that is gone already is no error. */
static int delete_route(struct kernel *kernel, const struct route *route) {
    char buffer[8192];
    struct rtmsg *body = put_route(buffer, RTM_DELROUTE, NLM_F_ACK, route);
    body->rtm_table = RT_TABLE_MAIN;
    body->rtm_protocol = RTPROT_STATIC;
    body->rtm_scope = RT_SCOPE_NOWHERE; /* of any scope */
    mnl_attr_put_u32((struct nlmsghdr *)buffer, RTA_OIF, kernel->link);
    int error = ask(kernel, buffer, sizeof buffer);
    return error == ESRCH || error == ENODEV ? 0 : error;
}

/* Whether the route that the kernel would take to the network is this one: as `ip route get fibmatch`. */
static int has_route(struct kernel *kernel, const struct route *route) {
    char buffer[8192];
    const struct nlattr *attribute;
    uint32_t link = 0;
    struct rtmsg *body = put_route(buffer, RTM_GETROUTE, 0, route);
    body->rtm_dst_len = (uint8_t)(8 * address_size(route->family));
    body->rtm_flags = RTM_F_FIB_MATCH;
    if (ask(kernel, buffer, sizeof buffer) != 0) return 0;
    mnl_attr_for_each(attribute, (const struct nlmsghdr *)buffer, sizeof *body)
        if (mnl_attr_get_type(attribute) == RTA_OIF) link = mnl_attr_get_u32(attribute);
    body = mnl_nlmsg_get_payload((const struct nlmsghdr *)buffer);
    return body->rtm_dst_len == route->prefix && link == kernel->link;
}

/* ---- Operations ---- */

static int32_t add_routes(const catena_call *call, struct kernel *kernel, const struct config *config) {
    for (uint32_t i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];
        int error = add_route(kernel, route);
        if (error == 0) continue;
        while (i-- > 0) delete_route(kernel, &config->routes[i]);
        return catena_fail(call, CATENA_ERROR_INTERNAL, error == EEXIST ? "a plugin before this one has made it" : NULL,
                           "add route %s via %s on %s: %s", route->dst, route->gw ? route->gw : "the link", call->ifname, strerror(error));
    }
    return CATENA_OK;
}

/* The previous result, and what is ours. */
static int32_t report(const catena_call *call, const struct config *config) {
    catena_result *result = catena_result_copy(call, call->prev_result);
    catena_route *routes = call->host->allocate(call, config->route_count * sizeof *routes);
    if (!result || !routes) return catena_out_of_memory(call);
    for (uint32_t i = 0; i < config->route_count; i++) {
        routes[i] = (catena_route){.size = sizeof *routes, .dst = config->routes[i].dst, .gw = config->routes[i].gw};
        if (!catena_result_add_route(call, result, &routes[i])) return catena_out_of_memory(call);
    }
    for (uint32_t i = 0; i < config->nameserver_count; i++)
        if (!catena_result_add_nameserver(call, result, config->nameservers[i])) return catena_out_of_memory(call);
    return call->host->set_result(call, result);
}

static int32_t add(const catena_call *call) {
    struct config config;
    struct kernel kernel;
    int32_t status = read_config(call, &config);
    if (status != CATENA_OK) return status;
    if (!call->prev_result)
        return catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "chain this plugin behind one that makes an interface",
                           "prevResult: is missing");
    complete_gateways(call->prev_result, &config);
    if ((status = open_kernel(call, &kernel)) != CATENA_OK) return status;
    if (!kernel.link) return catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "there is no interface %s in %s", call->ifname, call->netns);
    if ((status = add_routes(call, &kernel, &config)) != CATENA_OK) return status;
    if ((status = report(call, &config)) != CATENA_OK) {
        for (uint32_t i = 0; i < config.route_count; i++) delete_route(&kernel, &config.routes[i]);
        return status;
    }
    catena_log(call, CATENA_LOG_INFO, "added %u routes, %u name servers", config.route_count, config.nameserver_count);
    return CATENA_OK;
}

/* What is gone is no error; with the namespace, or the interface, all that add made is gone. */
static int32_t del(const catena_call *call) {
    struct config config;
    struct kernel kernel;
    if (call->netns_fd < 0) return CATENA_OK;
    if (read_config(call, &config) != CATENA_OK) return CATENA_OK; /* add has refused it as well, and made nothing */
    int32_t status = open_kernel(call, &kernel);
    if (status != CATENA_OK) return status;
    for (uint32_t i = 0; i < config.route_count && kernel.link; i++) {
        int error = delete_route(&kernel, &config.routes[i]);
        if (error) return catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "delete route %s: %s", config.routes[i].dst, strerror(error));
    }
    return CATENA_OK;
}

static int32_t check(const catena_call *call) {
    struct config config;
    struct kernel kernel;
    int32_t status = read_config(call, &config);
    if (status != CATENA_OK || (status = open_kernel(call, &kernel)) != CATENA_OK) return status;
    for (uint32_t i = 0; i < config.route_count; i++)
        if (!has_route(&kernel, &config.routes[i]))
            return catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "check %s %s: expected a route to %s, found none or another",
                               call->container_id, call->ifname, config.routes[i].dst);
    return CATENA_OK;
}

/* Nothing but the configuration can be in the way of add. */
static int32_t status(const catena_call *call) {
    struct config config;
    return read_config(call, &config);
}

/* ---- The module ---- */

static const char schema[] =
    "{\n"
    "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
    "  \"title\": \"route-dns\",\n"
    "  \"type\": \"object\",\n"
    "  \"properties\": {\n"
    "    \"type\": { \"const\": \"route-dns\" },\n"
    "    \"routes\": {\n"
    "      \"type\": \"array\",\n"
    "      \"items\": {\n"
    "        \"type\": \"object\",\n"
    "        \"properties\": { \"dst\": { \"type\": \"string\" }, \"gw\": { \"type\": \"string\" } },\n"
    "        \"required\": [\"dst\"]\n"
    "      }\n"
    "    },\n"
    "    \"nameservers\": { \"type\": \"array\", \"items\": { \"type\": \"string\" } }\n"
    "  }\n"
    "}\n";

static const char *const versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", NULL};

CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
    static const catena_module module = {
        .size = sizeof module,
        .abi_major = CATENA_ABI_MAJOR,
        .kind = CATENA_KIND_META,
        .type = "route-dns",
        .version = "1.0.0",
        .description = "adds routes and name servers",
        .cni_versions = versions,
        .schema = schema,
        .add = add,
        .del = del,
        .check = check,
        .status = status, /* gc is NULL: all that add makes goes with the namespace */
    };
    return host_abi_major == CATENA_ABI_MAJOR ? &module : NULL;
}
