/// New modules in C.
enum CTemplate {
    /// - Parameter libraries: by their names for pkg-config.
    static func makefile(libraries: String) -> String {
        """
        TYPE      := @TYPE@
        LIBS      := \(libraries)
        CFLAGS    ?= -O2 -g -Wall -Wextra

        """ + ModuleTemplate.directories + """

            all: $(TYPE).so

            $(TYPE).so: $(TYPE).c Makefile
            	$(CC) -std=c99 -pedantic -D_GNU_SOURCE $(CFLAGS) $(shell pkg-config --cflags catena $(LIBS)) -shared -fPIC -fvisibility=hidden \\
            	    -Wl,-z,defs -o $@ $< $(LDFLAGS) $(shell pkg-config --libs $(LIBS))

            clean:
            	rm -f $(TYPE).so

            """ + ModuleTemplate.install
    }

    /// The entry. Functions that a module has not are left out.
    private static func entry(kind: String, description: String, functions: [String]) -> String {
        """

        static const char *const versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", NULL};

        CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
            static const catena_module module = {
                .size = sizeof module,
                .abi_major = CATENA_ABI_MAJOR,
                .kind = CATENA_KIND_\(kind),
                .type = "@TYPE@",
                .version = "0.1.0",
                .description = "\(description)",
                .cni_versions = versions,
                .schema = schema,
        \(functions.map { "        .\($0) = \($0),\n" }.joined())    };
            return host_abi_major == CATENA_ABI_MAJOR ? &module : NULL;
        }

        """
    }

    static let meta =
        #"""
        /* @TYPE@: lets programs in the container that are not root listen on ports from `portStart` on. */
        #include <catena/helpers.h>

        #include <errno.h>
        #include <jansson.h>
        #include <stdio.h>
        #include <string.h>

        /* Of the network namespace of the thread that opens it. */
        static const char parameter[] = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

        static int32_t read_config(const catena_call *call, int *port) {
            json_error_t error;
            json_t *root = json_loads(call->config, 0, &error);
            const json_t *value = json_object_get(root, "portStart");
            json_int_t number = value && !json_is_null(value) ? json_integer_value(value) : 0;
            int32_t status = CATENA_OK;
            if (!root)
                status = catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "decode configuration: %s", error.text);
            else if (value && !json_is_null(value) && !json_is_integer(value))
                status = catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "portStart: expected an integer");
            else if (number < 0 || number > 65535)
                status = catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "it is a port number", "portStart: must be from 0 to 65535");
            *port = (int)number;
            json_decref(root);
            return status;
        }

        /* What is done in the container, and what came of it: an errno. */
        struct access {
            int port;
            int error;
        };

        static int32_t write_port(void *context) {
            struct access *access = context;
            FILE *file = fopen(parameter, "w");
            if (!file || fprintf(file, "%d", access->port) < 0) access->error = errno;
            if (file && fclose(file) != 0) access->error = errno;
            return CATENA_OK;
        }

        static int32_t read_port(void *context) {
            struct access *access = context;
            FILE *file = fopen(parameter, "r");
            if (!file) access->error = errno;
            else if (fscanf(file, "%d", &access->port) != 1) access->error = EIO;
            if (file) fclose(file);
            return CATENA_OK;
        }

        static int32_t in_container(const catena_call *call, int32_t (*body)(void *), struct access *access) {
            int32_t status = call->host->in_container(call, body, access); /* where it can't be entered, the host has said so */
            if (status != CATENA_OK || !access->error) return status;
            return catena_fail(call, CATENA_ERROR_IO_FAILURE, NULL, "%s in %s: %s", parameter, call->netns, strerror(access->error));
        }

        static int32_t add(const catena_call *call) {
            struct access access = {0, 0};
            int32_t status = read_config(call, &access.port);
            if (status != CATENA_OK) return status;
            if (!call->prev_result)
                return catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "chain this plugin behind one that makes an interface",
                                   "prevResult: is missing");
            catena_log(call, CATENA_LOG_INFO, "ports from %d on need no privilege", access.port);
            return in_container(call, write_port, &access); /* no result is stated: the previous one is passed on */
        }

        /* With the namespace, what add made is gone. */
        static int32_t del(const catena_call *call) {
            struct access access = {1024, 0};
            return call->netns_fd < 0 ? CATENA_OK : in_container(call, write_port, &access);
        }

        static int32_t check(const catena_call *call) {
            struct access access = {-1, 0};
            int expected;
            int32_t status = read_config(call, &expected);
            if (status != CATENA_OK || (status = in_container(call, read_port, &access)) != CATENA_OK) return status;
            if (access.port == expected) return CATENA_OK;
            return catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "check: %s: expected %d, found %d", parameter, expected, access.port);
        }

        static int32_t status(const catena_call *call) {
            int port;
            return read_config(call, &port);
        }

        static const char schema[] =
            "{ \"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"title\": \"@TYPE@\", \"type\": \"object\","
            "  \"properties\": { \"portStart\": { \"type\": \"integer\", \"minimum\": 0, \"maximum\": 65535 } } }";

        """#
        + entry(
            kind: "META", description: "lets programs without privilege listen on low ports", functions: ["add", "del", "check", "status"])

    static let ipam =
        #"""
        /* @TYPE@: gives the container the address that the configuration names. */
        #include <catena/helpers.h>

        #include <jansson.h>
        #include <string.h>

        /* The configuration is that of the plugin that delegates to this one: our keys are in `ipam`. */
        static int32_t read_config(const catena_call *call, catena_ip *ip) {
            const char *address = NULL, *gateway = NULL;
            json_error_t error;
            json_t *root = json_loads(call->config, 0, &error);
            int wrong = !root || json_unpack_ex(root, &error, 0, "{s:{s:s,s?s}}", "ipam", "address", &address, "gateway", &gateway);
            if (!wrong)
                *ip = (catena_ip){
                    .size = sizeof *ip,
                    .interface_index = -1,
                    .address = catena_format(call, "%s", address),
                    .gateway = gateway ? catena_format(call, "%s", gateway) : NULL,
                };
            json_decref(root); /* address and gateway go with it: the copies are the call's */
            if (wrong)
                return catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "ipam.address is needed, such as 10.123.0.2/24", "ipam: %s", error.text);
            return ip->address && (ip->gateway || !gateway) ? CATENA_OK : catena_out_of_memory(call);
        }

        static int32_t add(const catena_call *call) {
            catena_ip ip;
            int32_t status = read_config(call, &ip);
            if (status != CATENA_OK) return status;
            catena_result *result = catena_result_copy(call, NULL);
            if (!result || !catena_result_add_ip(call, result, &ip)) return catena_out_of_memory(call);
            catena_log(call, CATENA_LOG_INFO, "gave %s to %s", ip.address, call->container_id);
            return call->host->set_result(call, result); /* refuses an address that is none */
        }

        /* There is nothing to give back: a plugin that chooses addresses releases here, and in gc, what the container has. */
        static int32_t del(const catena_call *call) {
            (void)call;
            return CATENA_OK;
        }

        static int32_t check(const catena_call *call) {
            catena_ip ip;
            int32_t status = read_config(call, &ip);
            if (status != CATENA_OK) return status;
            for (uint32_t i = 0; call->prev_result && i < call->prev_result->ip_count; i++)
                if (strcmp(call->prev_result->ips[i]->address, ip.address) == 0) return CATENA_OK;
            return catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "check: expected %s in prevResult, found none", ip.address);
        }

        static int32_t status(const catena_call *call) {
            catena_ip ip;
            return read_config(call, &ip);
        }

        static const char schema[] =
            "{ \"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"title\": \"@TYPE@\", \"type\": \"object\","
            "  \"properties\": { \"ipam\": { \"type\": \"object\", \"required\": [\"address\"], \"properties\": {"
            "    \"type\": { \"const\": \"@TYPE@\" }, \"address\": { \"type\": \"string\" }, \"gateway\": { \"type\": \"string\" } } } } }";

        """#
        + entry(kind: "IPAM", description: "gives the address that is configured", functions: ["add", "del", "check", "status"])

    static let interface =
        #"""
        /* @TYPE@: connects the container to the host by a veth pair, whose end on the host has the gateway's address. */
        #include <catena/helpers.h>

        #include <arpa/inet.h>
        #include <errno.h>
        #include <jansson.h>
        #include <libmnl/libmnl.h>
        #include <linux/if_addr.h>
        #include <linux/if_link.h>
        #include <linux/rtnetlink.h>
        #include <linux/veth.h>
        #include <net/if.h>
        #include <stdlib.h>
        #include <string.h>

        /* The IPAM plugin's name; NULL where the configuration names none. */
        static int32_t read_ipam(const catena_call *call, const char **type) {
            json_error_t error;
            json_t *root = json_loads(call->config, 0, &error);
            const char *text = json_string_value(json_object_get(json_object_get(root, "ipam"), "type"));
            *type = text && *text ? catena_format(call, "%s", text) : NULL;
            json_decref(root);
            return root ? CATENA_OK : catena_fail(call, CATENA_ERROR_DECODING_FAILURE, NULL, "decode configuration: %s", error.text);
        }

        /* The host's end: named after the attachment, so that del finds it without a namespace and a result. */
        static const char *host_end(const catena_call *call) {
            uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
            const char *parts[] = {call->network, call->container_id, call->ifname};
            for (int i = 0; i < 3; i++)
                for (const char *c = parts[i];; c++) {
                    hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
                    if (!*c) break;
                }
            return catena_format(call, "v%012llx", (unsigned long long)(hash >> 16));
        }

        /* ---- rtnetlink(7) ---- */

        /* Sends a request and waits for its acknowledgement. Returns 0 or an errno; -1 where the host has called fail. */
        static int ask(const catena_call *call, uint32_t container, struct nlmsghdr *message) {
            char buffer[8192];
            struct nlmsghdr *answer = (struct nlmsghdr *)buffer;
            int fd = call->host->netlink(call, container);
            if (fd < 0) return -1;
            uint32_t sequence = message->nlmsg_seq = (uint32_t)random();
            if (send(fd, message, message->nlmsg_len, 0) < 0) return errno;
            for (;;) {
                ssize_t count = recv(fd, buffer, sizeof buffer, 0);
                if (count < 0 && errno == EINTR) continue;
                if (count < 0) return errno;
                if (mnl_nlmsg_ok(answer, (int)count) && answer->nlmsg_seq == sequence && answer->nlmsg_type == NLMSG_ERROR)
                    return -((struct nlmsgerr *)mnl_nlmsg_get_payload(answer))->error;
            }
        }

        static int32_t failed(const catena_call *call, int error, const char *what, const char *name) {
            return error < 0 ? 1 : catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "%s %s: %s", what, name, strerror(error));
        }

        static struct nlmsghdr *put(char *buffer, uint16_t type, uint16_t flags) {
            struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
            message->nlmsg_type = type;
            message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
            return message;
        }

        static int create_pair(const catena_call *call, const char *name) {
            char buffer[1024];
            struct nlmsghdr *message = put(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
            struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof *link);
            link->ifi_flags = link->ifi_change = IFF_UP;
            mnl_attr_put_strz(message, IFLA_IFNAME, name);
            struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
            mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
            struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
            struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
            mnl_nlmsg_put_extra_header(message, sizeof *link);
            mnl_attr_put_strz(message, IFLA_IFNAME, call->ifname);
            mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)call->netns_fd);
            mnl_attr_nest_end(message, peer);
            mnl_attr_nest_end(message, data);
            mnl_attr_nest_end(message, info);
            return ask(call, 0, message);
        }

        /* One that is gone is no error. */
        static int delete_pair(const catena_call *call, const char *name) {
            char buffer[256];
            struct nlmsghdr *message = put(buffer, RTM_DELLINK, 0);
            mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
            mnl_attr_put_strz(message, IFLA_IFNAME, name);
            int error = ask(call, 0, message);
            return error == ENODEV ? 0 : error;
        }

        static int set_up(const catena_call *call, uint32_t index) {
            char buffer[256];
            struct nlmsghdr *message = put(buffer, RTM_NEWLINK, 0);
            struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof *link);
            link->ifi_index = (int)index;
            link->ifi_flags = link->ifi_change = IFF_UP;
            return ask(call, 1, message);
        }

        /* Gives a link an address with prefix length; with a peer, the kernel adds the route to it. */
        static int add_address(const catena_call *call, uint32_t container, uint32_t index, const char *text, const char *peer) {
            char buffer[256], address[INET6_ADDRSTRLEN] = "";
            uint8_t bytes[16], far[16];
            const char *slash = strchr(text, '/'), *end = strchr(peer ? peer : text, '/');
            int family = strchr(text, ':') ? AF_INET6 : AF_INET;
            size_t size = family == AF_INET ? 4 : 16;
            snprintf(address, sizeof address, "%.*s", (int)(slash ? slash - text : (int)strlen(text)), text);
            if (inet_pton(family, address, bytes) != 1) return EINVAL;
            snprintf(address, sizeof address, "%.*s", (int)(end - (peer ? peer : text)), peer ? peer : text);
            if (inet_pton(family, address, far) != 1) return EINVAL;
            struct nlmsghdr *message = put(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
            struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof *body);
            body->ifa_family = (uint8_t)family;
            body->ifa_prefixlen = (uint8_t)(peer ? 8 * size : strtoul(slash + 1, NULL, 10));
            body->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
            body->ifa_index = index;
            mnl_attr_put(message, IFA_LOCAL, size, bytes);
            mnl_attr_put(message, IFA_ADDRESS, size, far);
            return ask(call, container, message);
        }

        struct lookup {
            const char *name;
            uint32_t index;
        };

        static int32_t look_up(void *context) {
            struct lookup *lookup = context;
            lookup->index = if_nametoindex(lookup->name);
            return CATENA_OK;
        }

        /* ---- Operations ---- */

        /* Addresses on both sides, and the result. */
        static int32_t configure(const catena_call *call, const char *name, const catena_result *given) {
            struct lookup link = {call->ifname, 0};
            int32_t status = call->host->in_container(call, look_up, &link);
            if (status != CATENA_OK) return status;
            int error = set_up(call, link.index);
            if (error) return failed(call, error, "bring up", call->ifname);
            catena_interface ends[] = {{.size = sizeof ends[0], .name = name},
                                       {.size = sizeof ends[1], .name = call->ifname, .sandbox = call->netns}};
            catena_ip *ips = call->host->allocate(call, given->ip_count * sizeof *ips);
            catena_result *result = catena_result_copy(call, NULL);
            if (!ips || !result || !catena_result_add_interface(call, result, &ends[0]) || !catena_result_add_interface(call, result, &ends[1]))
                return catena_out_of_memory(call);
            for (uint32_t i = 0; i < given->ip_count; i++) {
                const catena_ip *ip = given->ips[i];
                ips[i] = (catena_ip){.size = sizeof *ips, .interface_index = 1, .address = ip->address, .gateway = ip->gateway};
                if ((error = add_address(call, 1, link.index, ip->address, NULL))) return failed(call, error, "add address", ip->address);
                if (ip->gateway && (error = add_address(call, 0, if_nametoindex(name), ip->gateway, ip->address)))
                    return failed(call, error, "add address", ip->gateway);
                if (!catena_result_add_ip(call, result, &ips[i])) return catena_out_of_memory(call);
            }
            result->dns = given->dns;
            return call->host->set_result(call, result);
        }

        static int32_t add(const catena_call *call) {
            const char *ipam, *name = host_end(call);
            const catena_result *given = NULL;
            int32_t status = read_ipam(call, &ipam);
            if (status != CATENA_OK) return status;
            if (!ipam) return catena_fail(call, CATENA_ERROR_INVALID_CONFIGURATION, "name an IPAM plugin", "ipam.type: is missing");
            if (!name) return catena_out_of_memory(call);
            if (call->netns_fd < 0) return catena_fail(call, CATENA_ERROR_INVALID_NETNS, NULL, "there is no namespace %s", call->netns);
            int error = create_pair(call, name);
            if (error) return failed(call, error, "create veth pair", name);
            if ((status = call->host->delegate(call, ipam, CATENA_ADD, NULL, &given)) == CATENA_OK) {
                if ((status = configure(call, name, given)) == CATENA_OK) return CATENA_OK;
                /* The first failure is the one to report: what a later one states would take its place. */
                uint32_t code = CATENA_ERROR_INTERNAL;
                const char *message = "", *details = "";
                call->host->failure(call, &code, &message, &details);
                call->host->delegate(call, ipam, CATENA_DEL, NULL, NULL);
                status = call->host->fail(call, code, message, details);
            }
            delete_pair(call, name);
            return status;
        }

        static int32_t del(const catena_call *call) {
            const char *ipam, *name = host_end(call);
            int32_t status = read_ipam(call, &ipam);
            if (status != CATENA_OK) return status;
            if (!name) return catena_out_of_memory(call);
            int error = delete_pair(call, name);
            if (error) return failed(call, error, "delete veth pair", name);
            return ipam ? call->host->delegate(call, ipam, CATENA_DEL, NULL, NULL) : CATENA_OK;
        }

        static int32_t check(const catena_call *call) {
            const char *ipam, *name = host_end(call);
            struct lookup link = {call->ifname, 0};
            int32_t status = read_ipam(call, &ipam);
            if (status == CATENA_OK && ipam) status = call->host->delegate(call, ipam, CATENA_CHECK, NULL, NULL);
            if (status == CATENA_OK) status = call->host->in_container(call, look_up, &link);
            if (status != CATENA_OK) return status;
            if (!name) return catena_out_of_memory(call);
            if (!link.index) return catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "check: expected %s in %s, found none", call->ifname, call->netns);
            if (!if_nametoindex(name)) return catena_fail(call, CATENA_ERROR_INTERNAL, NULL, "check: expected %s on the host, found none", name);
            return CATENA_OK;
        }

        static int32_t for_ipam(const catena_call *call, uint32_t operation) {
            const char *ipam;
            int32_t status = read_ipam(call, &ipam);
            return status != CATENA_OK || !ipam ? status : call->host->delegate(call, ipam, operation, NULL, NULL);
        }

        static int32_t gc(const catena_call *call) { return for_ipam(call, CATENA_GC); }

        static int32_t status(const catena_call *call) { return for_ipam(call, CATENA_STATUS); }

        static const char schema[] =
            "{ \"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"title\": \"@TYPE@\", \"type\": \"object\", \"required\": [\"ipam\"],"
            "  \"properties\": { \"ipam\": { \"type\": \"object\", \"required\": [\"type\"], \"properties\": { \"type\": { \"type\": \"string\" } } } } }";

        """#
        + entry(
            kind: "INTERFACE", description: "connects the container by a veth pair", functions: ["add", "del", "check", "gc", "status"])
}
