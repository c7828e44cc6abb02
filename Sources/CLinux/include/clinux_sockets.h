// Sockets of the DHCP client and its daemon, in functions that Swift can call: unix(7), packet(7), udp(7), netlink(7).
#ifndef CLINUX_SOCKETS_H
#define CLINUX_SOCKETS_H

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_namespace.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/// Closes a descriptor after a failed step, and keeps that step's errno. Always -1.
static inline int clinux_give_up(int fd) {
    int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return -1;
}

static inline int clinux_unix_address(const char *path, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

/// A stream socket that listens at `path`, which must not exist.
static inline int clinux_unix_listen(const char *path, mode_t mode) {
    struct sockaddr_un address;
    if (clinux_unix_address(path, &address) != 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    mode_t old = umask(0777 & ~mode);
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    umask(old);
    return bound != 0 || listen(fd, SOMAXCONN) != 0 ? clinux_give_up(fd) : fd;
}

/// A stream socket that is connected to `path`; it blocks.
static inline int clinux_unix_connect(const char *path) {
    struct sockaddr_un address;
    if (clinux_unix_address(path, &address) != 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    return connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 ? clinux_give_up(fd) : fd;
}

/// Whether `fd` is a listening stream socket of AF_UNIX; its path goes to `path` of PATH_MAX bytes, empty for none.
static inline int clinux_unix_is_listening(int fd, char *path) {
    int listening = 0;
    socklen_t length = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || !listening) return 0;
    struct sockaddr_un address = {0};
    length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 || address.sun_family != AF_UNIX) return 0;
    size_t count = length > offsetof(struct sockaddr_un, sun_path) ? length - offsetof(struct sockaddr_un, sun_path) : 0;
    memcpy(path, address.sun_path, count);
    path[count] = 0;
    return 1;
}

/// The next connection of a listening socket; non-blocking. accept4(2).
static inline int clinux_accept(int fd) { return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

/// Who connected, as this process's user namespace names them: SO_PEERCRED of unix(7).
static inline int clinux_peer(int fd, uid_t *user, gid_t *group) {
    struct ucred who = {0};
    socklen_t length = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0) return -1;
    *user = who.uid;
    *group = who.gid;
    return 0;
}

/// Supplementary groups of who connected; their number, or -1. SO_PEERGROUPS.
static inline int clinux_peer_groups(int fd, gid_t *groups, int capacity) {
    socklen_t length = (socklen_t)capacity * sizeof *groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) return -1;
    return (int)(length / sizeof *groups);
}

/// A packet socket for one protocol of one link, without link-layer headers: packet(7). For IPv4 it gets UDP to port 68 only.
static inline int clinux_packet_socket(uint16_t protocol, int index) {
    struct sock_filter udp[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),  // protocol
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),  // flags and fragment offset
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 4, 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),  // length of the IP header
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),  // port
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 68, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    // Without a protocol nothing is received before the filter is in place.
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    int on = 1;
    struct sock_fprog program = {.len = sizeof udp / sizeof *udp, .filter = udp};
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = index};
    if (protocol == ETH_P_IP && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) return clinux_give_up(fd);
    if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0) return clinux_give_up(fd);
    return bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ? clinux_give_up(fd) : fd;
}

/// Sends a packet to a hardware address on the link.
static inline ssize_t clinux_packet_send(
    int fd, uint16_t protocol, int index, const uint8_t *hardware, const void *bytes, size_t count) {
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = index, .sll_halen = ETH_ALEN};
    memcpy(address.sll_addr, hardware, ETH_ALEN);
    return sendto(fd, bytes, count, 0, (const struct sockaddr *)&address, sizeof address);
}

/// Receives a packet, and the hardware address of its sender. `for_us` is 0 for what we sent or what is for another host;
/// `has_checksum` is 0 where a packet of this machine was not given its checksum.
static inline ssize_t clinux_packet_receive(int fd, void *buffer, size_t size, uint8_t *hardware, int *for_us, int *has_checksum) {
    struct sockaddr_ll address = {0};
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
        .msg_controllen = sizeof control};
    ssize_t count = recvmsg(fd, &message, 0);
    if (count < 0) return count;
    memcpy(hardware, address.sll_addr, ETH_ALEN);
    *for_us = address.sll_pkttype != PACKET_OUTGOING && address.sll_pkttype != PACKET_OTHERHOST;
    *has_checksum = 1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA) continue;
        struct tpacket_auxdata data;
        memcpy(&data, CMSG_DATA(header), sizeof data);
        *has_checksum = !(data.tp_status & TP_STATUS_CSUMNOTREADY);
    }
    return count;
}

/// A UDP socket of IPv4, in the thread's network namespace. `device` may be NULL; `port` 0 leaves the choice to the kernel.
static inline int clinux_udp_socket(uint32_t address, uint16_t port, const char *device) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    int on = 1;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) != 0) return clinux_give_up(fd);
    return bind(fd, (const struct sockaddr *)&local, sizeof local) != 0 ? clinux_give_up(fd) : fd;
}

/// Sends a datagram of IPv4.
static inline ssize_t clinux_udp_send(int fd, uint32_t address, uint16_t port, const void *bytes, size_t count) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    return sendto(fd, bytes, count, 0, (const struct sockaddr *)&to, sizeof to);
}

/// Receives a datagram of IPv4, and where it comes from.
static inline ssize_t clinux_udp_receive(int fd, void *buffer, size_t size, uint32_t *address, uint16_t *port) {
    struct sockaddr_in from = {0};
    socklen_t length = sizeof from;
    ssize_t count = recvfrom(fd, buffer, size, 0, (struct sockaddr *)&from, &length);
    *address = ntohl(from.sin_addr.s_addr);
    *port = ntohs(from.sin_port);
    return count;
}

static inline struct sockaddr_in6 clinux_address6(const uint8_t *address, uint16_t port, int index) {
    struct sockaddr_in6 result = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = (uint32_t)index};
    memcpy(&result.sin6_addr, address, sizeof result.sin6_addr);
    return result;
}

/// Ties a socket of IPv6 to a link, also in what it sends to groups.
static inline int clinux_tie6(int fd, int index, const char *device) {
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) != 0) return -1;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index);
}

/// A UDP socket of IPv6, at a link-local address of a link in the thread's network namespace.
static inline int clinux_udp6_socket(const uint8_t *address, uint16_t port, int index, const char *device) {
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    int on = 1;
    struct sockaddr_in6 local = clinux_address6(address, port, index);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (clinux_tie6(fd, index, device) != 0) return clinux_give_up(fd);
    return bind(fd, (const struct sockaddr *)&local, sizeof local) != 0 ? clinux_give_up(fd) : fd;
}

/// A socket for neighbour discovery on a link in the thread's network namespace: it gets advertisements of routers and neighbours. It is
/// not bound to an address: it would not get what is sent to all on the link.
static inline int clinux_discovery_socket(int index, const char *device) {
    int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
    if (fd < 0) return -1;
    int on = 1;
    int hops = 255;
    struct icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
    ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &filter);
    if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) != 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0 || clinux_tie6(fd, index, device) != 0)
        return clinux_give_up(fd);
    return fd;
}

/// Sends a datagram of IPv6 on a link.
static inline ssize_t clinux_send6(int fd, const uint8_t *address, uint16_t port, int index, const void *bytes, size_t count) {
    struct sockaddr_in6 to = clinux_address6(address, port, index);
    return sendto(fd, bytes, count, 0, (const struct sockaddr *)&to, sizeof to);
}

/// Receives a datagram, where it comes from, and the number that the kernel has put beside it under `level` and `type`, cmsg(3); -1 where it
/// has not.
static inline ssize_t clinux_receive_with_number(
    int fd, void *buffer, size_t size, int flags, void *from, socklen_t length, int level, int type, int *number) {
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_name = from, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
        .msg_controllen = sizeof control};
    ssize_t count = recvmsg(fd, &message, flags);
    *number = -1;
    if (count < 0) return count;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == level && header->cmsg_type == type) memcpy(number, CMSG_DATA(header), sizeof *number);
    return count;
}

/// Receives a datagram of IPv6, where it comes from, and how many hops it had left; -1 where the socket does not tell.
static inline ssize_t clinux_receive6(int fd, void *buffer, size_t size, uint8_t *address, int *hops) {
    struct sockaddr_in6 from = {0};
    ssize_t count = clinux_receive_with_number(fd, buffer, size, 0, &from, sizeof from, IPPROTO_IPV6, IPV6_HOPLIMIT, hops);
    if (count >= 0) memcpy(address, &from.sin6_addr, sizeof from.sin6_addr);
    return count;
}

/// Lets a netlink socket get the messages of all network namespaces that its own has an ID for.
static inline int clinux_netlink_listen_all(int fd) {
    int on = 1;
    int size = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    return setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on);
}

/// Receives a datagram of the kernel from a netlink socket without waiting, and the ID of the namespace it is about; -1 is the own one.
static inline ssize_t clinux_receive_netlink_event(int fd, void *buffer, size_t size, int *namespace) {
    struct sockaddr_nl address = {0};
    ssize_t count;
    do
        count = clinux_receive_with_number(
            fd, buffer, size, MSG_DONTWAIT, &address, sizeof address, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, namespace);
    while (count >= 0 && address.nl_pid != 0);
    return count;
}

/// A descriptor that tells of these two signals, which are blocked from now on; SIGPIPE is ignored: writing fails instead.
static inline int clinux_signal_descriptor(int first, int second) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    sigaddset(&set, second);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/// Begins (EPOLL_CTL_ADD) or goes on (EPOLL_CTL_MOD) watching a descriptor.
static inline int clinux_epoll_set(int epoll, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(epoll, operation, fd, &event);
}

/// Waits for events; descriptors and what happened go to two arrays.
static inline int clinux_epoll_wait(int epoll, int *descriptors, uint32_t *events, int capacity) {
    struct epoll_event ready[64];
    int count = epoll_wait(epoll, ready, capacity < 64 ? capacity : 64, -1);
    for (int index = 0; index < count; index++) {
        descriptors[index] = ready[index].data.fd;
        events[index] = ready[index].events;
    }
    return count;
}

/// Lets this process open as many files as it may.
static inline void clinux_raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

#endif
