/*
 * floor: the system calls that an attachment takes, and nothing else: what is left is the kernel's.
 *
 *   floor add NETNS HOSTNAME BRIDGE-INDEX ADDRESS GATEWAY PREFIX HOSTPORT:PORT[,HOSTPORT:PORT…] [RATE]
 *   floor del         HOSTNAME              ADDRESS                HOSTPORT:PORT[,…]             [IFB]
 *
 * ADD makes a veth pair with its peer as eth0 in the namespace, host end up and in the bridge, the address, a default route, a
 * masquerade element and an element for each published port in table `inet floor`; with RATE (bytes a second) also an ifb with two
 * token buckets and a redirect, as a bandwidth plugin does. DEL takes the elements out first, then the links.
 * With FLOOR_TIMES set, the microseconds of each part go to standard error.
 *
 * IPv4 only. Errors end the program: it is a yardstick, not a plugin.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536

static char buffer[BUFFER];
static char *end = buffer;
static uint32_t sequence = 1;

static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void lap(const char *part) {
    static struct timespec before;
    struct timespec now;
    static int wanted = -1;
    if (wanted < 0) wanted = getenv("FLOOR_TIMES") != NULL;
    if (!wanted) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (part)
        fprintf(stderr, "%s %ld\n", part, (now.tv_sec - before.tv_sec) * 1000000 + (now.tv_nsec - before.tv_nsec) / 1000);
    before = now;
}

/* ---- Messages: put one after the other into the buffer, sent together ---- */

static struct nlmsghdr *begin(uint16_t type, uint16_t flags, const void *fixed, size_t size) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(end);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = sequence++;
    memcpy(mnl_nlmsg_put_extra_header(message, size), fixed, size);
    return message;
}

static void finish(struct nlmsghdr *message) { end = (char *)message + NLMSG_ALIGN(message->nlmsg_len); }

/* Sends what is in the buffer and waits for the answer to its last acknowledged message. */
static void commit(int fd, uint32_t last, const char *what) {
    static char answer[BUFFER];
    if (send(fd, buffer, end - buffer, 0) != end - buffer) die(what);
    end = buffer;
    for (;;) {
        ssize_t count = recv(fd, answer, sizeof answer, 0);
        if (count < 0) die(what);
        for (struct nlmsghdr *m = (struct nlmsghdr *)answer; NLMSG_OK(m, count); m = NLMSG_NEXT(m, count)) {
            if (m->nlmsg_type != NLMSG_ERROR) continue;
            int error = *(int *)NLMSG_DATA(m);
            if (error) {
                errno = -error;
                die(what);
            }
            if (m->nlmsg_seq == last) return;
        }
    }
}

static int netlink(int protocol) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) die("socket");
    return fd;
}

/* ---- Links ---- */

static void veth(int fd, const char *name, int bridge, int netns) {
    struct ifinfomsg info = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, peer = {0};
    struct nlmsghdr *m = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info, sizeof info);
    mnl_attr_put_strz(m, IFLA_IFNAME, name);
    mnl_attr_put_u32(m, IFLA_MASTER, bridge);
    struct nlattr *link = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_str(m, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
    struct nlattr *other = mnl_attr_nest_start(m, VETH_INFO_PEER);
    memcpy(mnl_nlmsg_put_extra_header(m, sizeof peer), &peer, sizeof peer);
    mnl_attr_put_strz(m, IFLA_IFNAME, "eth0");
    mnl_attr_put_u32(m, IFLA_NET_NS_FD, netns);
    mnl_attr_nest_end(m, other);
    mnl_attr_nest_end(m, data);
    mnl_attr_nest_end(m, link);
    finish(m);
    commit(fd, m->nlmsg_seq, "veth");
}

static void configure(int fd, int index, const char *address, const char *gateway, int prefix) {
    struct in_addr ip, via;
    inet_pton(AF_INET, address, &ip);
    inet_pton(AF_INET, gateway, &via);
    struct ifaddrmsg a = {.ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = index};
    struct nlmsghdr *m = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &a, sizeof a);
    mnl_attr_put(m, IFA_LOCAL, 4, &ip);
    mnl_attr_put(m, IFA_ADDRESS, 4, &ip);
    finish(m);
    struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    m = begin(RTM_NEWLINK, 0, &up, sizeof up);
    finish(m);
    struct rtmsg r = {
        .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
    m = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &r, sizeof r);
    mnl_attr_put(m, RTA_GATEWAY, 4, &via);
    mnl_attr_put_u32(m, RTA_OIF, index);
    finish(m);
    commit(fd, m->nlmsg_seq, "address, link, route");
}

/* ---- Bandwidth: ifb, two token buckets, a redirect ---- */

static void tbf(int ifindex, uint32_t rate, uint16_t flags) {
    struct tcmsg t = {.tcm_ifindex = ifindex, .tcm_handle = 0x10000, .tcm_parent = TC_H_ROOT};
    struct nlmsghdr *m = begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL | flags, &t, sizeof t);
    mnl_attr_put_strz(m, TCA_KIND, "tbf");
    struct nlattr *options = mnl_attr_nest_start(m, TCA_OPTIONS);
    struct tc_tbf_qopt q = {.rate = {.rate = rate, .linklayer = TC_LINKLAYER_ETHERNET}, .limit = rate / 40 + 65536, .buffer = 1000000};
    mnl_attr_put(m, TCA_TBF_PARMS, sizeof q, &q);
    mnl_attr_put_u32(m, TCA_TBF_BURST, 65536);
    mnl_attr_nest_end(m, options);
    finish(m);
}

static void bandwidth(int fd, const char *name, uint32_t rate) {
    char ifb[IFNAMSIZ];
    snprintf(ifb, sizeof ifb, "i%s", name + 1);
    struct ifinfomsg info = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct nlmsghdr *m = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info, sizeof info);
    mnl_attr_put_strz(m, IFLA_IFNAME, ifb);
    struct nlattr *link = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_str(m, IFLA_INFO_KIND, "ifb");
    mnl_attr_nest_end(m, link);
    finish(m);
    commit(fd, m->nlmsg_seq, "ifb");
    int host = if_nametoindex(name), to = if_nametoindex(ifb);
    tbf(host, rate, 0);
    tbf(to, rate, 0);
    struct tcmsg ingress = {.tcm_ifindex = host, .tcm_handle = 0xffff0000, .tcm_parent = TC_H_INGRESS};
    m = begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &ingress, sizeof ingress);
    mnl_attr_put_strz(m, TCA_KIND, "ingress");
    finish(m);
    struct tcmsg filter = {
        .tcm_ifindex = host, .tcm_parent = 0xffff0000, .tcm_info = TC_H_MAKE(1 << 16, htons(3 /* ETH_P_ALL */))};
    m = begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &filter, sizeof filter);
    mnl_attr_put_strz(m, TCA_KIND, "u32");
    struct nlattr *options = mnl_attr_nest_start(m, TCA_OPTIONS);
    struct {
        struct tc_u32_sel selector;
        struct tc_u32_key key;
    } all = {.selector = {.flags = TC_U32_TERMINAL, .nkeys = 1}};
    mnl_attr_put(m, TCA_U32_SEL, sizeof all, &all);
    struct nlattr *actions = mnl_attr_nest_start(m, TCA_U32_ACT);
    struct nlattr *first = mnl_attr_nest_start(m, 1);
    mnl_attr_put_strz(m, TCA_ACT_KIND, "mirred");
    struct nlattr *act = mnl_attr_nest_start(m, TCA_ACT_OPTIONS);
    struct tc_mirred mirred = {.action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = to};
    mnl_attr_put(m, TCA_MIRRED_PARMS, sizeof mirred, &mirred);
    mnl_attr_nest_end(m, act);
    mnl_attr_nest_end(m, first);
    mnl_attr_nest_end(m, actions);
    mnl_attr_nest_end(m, options);
    finish(m);
    commit(fd, m->nlmsg_seq, "queueing disciplines");
}

/* ---- nftables: elements of maps and sets in one batch ---- */

static void mark(uint16_t type) {
    struct nfgenmsg g = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    finish(begin(type, 0, &g, sizeof g));
}

static uint32_t element(int add, const char *map, const void *key, size_t key_size, const void *data, size_t data_size, int last) {
    struct nfgenmsg g = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    struct nlmsghdr *m = begin(
        NFNL_SUBSYS_NFTABLES << 8 | (add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM), (add ? NLM_F_CREATE : 0) | (last ? NLM_F_ACK : 0), &g,
        sizeof g);
    mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, "floor");
    mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, map);
    struct nlattr *list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS), *one = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
    struct nlattr *nest = mnl_attr_nest_start(m, NFTA_SET_ELEM_KEY);
    mnl_attr_put(m, NFTA_DATA_VALUE, key_size, key);
    mnl_attr_nest_end(m, nest);
    if (add && data) {
        nest = mnl_attr_nest_start(m, NFTA_SET_ELEM_DATA);
        mnl_attr_put(m, NFTA_DATA_VALUE, data_size, data);
        mnl_attr_nest_end(m, nest);
    }
    mnl_attr_nest_end(m, one);
    mnl_attr_nest_end(m, list);
    finish(m);
    return m->nlmsg_seq;
}

static void elements(int add, const char *address, const char *ports) {
    struct in_addr ip;
    inet_pton(AF_INET, address, &ip);
    int fd = netlink(NETLINK_NETFILTER);
    mark(NFNL_MSG_BATCH_BEGIN);
    char list[65536];
    snprintf(list, sizeof list, "%s", ports);
    for (char *save, *port = strtok_r(list, ",", &save); port; port = strtok_r(NULL, ",", &save)) {
        unsigned from, to;
        if (sscanf(port, "%u:%u", &from, &to) != 2) die("ports");
        uint8_t key[8] = {IPPROTO_TCP, 0, 0, 0, from >> 8, from & 255}, data[8] = {0, 0, 0, 0, to >> 8, to & 255};
        memcpy(data, &ip, 4);
        element(add, "ports4", key, sizeof key, data, sizeof data, 0);
    }
    element(add, "hairpin4", &ip, 4, NULL, 0, 0);
    uint32_t last = element(add, "masquerade4", &ip, 4, NULL, 0, 1);
    mark(NFNL_MSG_BATCH_END);
    commit(fd, last, "nftables elements");
}

int main(int argc, char **argv) {
    lap(NULL);
    if (argc >= 8 && !strcmp(argv[1], "add")) {
        int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), netns = open(argv[2], O_RDONLY | O_CLOEXEC);
        int host = netlink(NETLINK_ROUTE);
        if (home < 0 || netns < 0 || setns(netns, CLONE_NEWNET)) die("network namespace");
        int inside = netlink(NETLINK_ROUTE);
        if (setns(home, CLONE_NEWNET)) die("network namespace");
        lap("namespaces");
        veth(host, argv[3], atoi(argv[4]), netns);
        lap("veth");
        /* The peer's index is asked of its own namespace. */
        if (setns(netns, CLONE_NEWNET)) die("network namespace");
        int index = if_nametoindex("eth0");
        if (setns(home, CLONE_NEWNET)) die("network namespace");
        configure(inside, index, argv[5], argv[6], atoi(argv[7]));
        lap("address, link, route");
        if (argc > 9) bandwidth(host, argv[3], strtoul(argv[9], NULL, 10));
        lap("bandwidth");
        elements(1, argv[5], argc > 8 ? argv[8] : "");
        lap("nftables");
        return 0;
    }
    if (argc >= 5 && !strcmp(argv[1], "del")) {
        elements(0, argv[3], argv[4]);
        lap("nftables");
        int fd = netlink(NETLINK_ROUTE);
        struct ifinfomsg info = {0};
        struct nlmsghdr *m;
        if (argc > 5) {
            /* Two links die in one grace period where one message takes both: by their group. */
            m = begin(RTM_NEWLINK, 0, &info, sizeof info);
            mnl_attr_put_strz(m, IFLA_IFNAME, argv[2]);
            mnl_attr_put_u32(m, IFLA_GROUP, 0xf1002);
            finish(m);
            m = begin(RTM_NEWLINK, 0, &info, sizeof info);
            mnl_attr_put_strz(m, IFLA_IFNAME, argv[5]);
            mnl_attr_put_u32(m, IFLA_GROUP, 0xf1002);
            finish(m);
        }
        m = begin(RTM_DELLINK, NLM_F_ACK, &info, sizeof info);
        if (argc > 5)
            mnl_attr_put_u32(m, IFLA_GROUP, 0xf1002);
        else
            mnl_attr_put_strz(m, IFLA_IFNAME, argv[2]);
        finish(m);
        commit(fd, m->nlmsg_seq, "delete links");
        lap("links");
        return 0;
    }
    fprintf(stderr, "usage: see the beginning of floor.c\n");
    return 2;
}
