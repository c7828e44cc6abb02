// CLinux: the parts of libc and of the kernel's headers that Catena uses, for both ways of compiling (there is no Glibc module in
// Embedded Swift). What Swift can't import (variadic functions, function-like macros, errno) gets a small inline function,
// prefixed `clinux_`; everything else is used under its own name.
#ifndef CLINUX_H
#define CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/magic.h>
#include <linux/neighbour.h>
#include <linux/nsfs.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <poll.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline int clinux_errno(void) { return errno; }

static inline int clinux_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

static inline int clinux_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags | O_CLOEXEC, mode);
}

/// Sets FD_CLOEXEC: a descriptor that must not reach an executable plugin.
static inline int clinux_set_cloexec(int fd) { return fcntl(fd, F_SETFD, FD_CLOEXEC); }

/// Sets O_NONBLOCK.
static inline int clinux_set_nonblocking(int fd) { return fcntl(fd, F_SETFL, O_NONBLOCK); }

/// The kind of a namespace, a CLONE_NEW… constant; negative where `fd` is none. See ioctl_ns(2).
static inline int clinux_namespace_type(int fd) { return ioctl(fd, NS_GET_NSTYPE); }

/// Makes a tun or tap device in the network namespace in which `fd`, of /dev/net/tun, was opened; fails with EBUSY where the name is taken.
static inline int clinux_tun_create(int fd, const char *name, int flags) {
    struct ifreq request = {.ifr_flags = (short)(flags | IFF_TUN_EXCL)};
    if (strlen(name) >= sizeof request.ifr_name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(request.ifr_name, name);
    return ioctl(fd, TUNSETIFF, &request);
}

/// Says who may attach to a tun or tap device beside root.
static inline int clinux_tun_set_owner(int fd, uid_t owner) { return ioctl(fd, TUNSETOWNER, (unsigned long)owner); }
static inline int clinux_tun_set_group(int fd, gid_t group) { return ioctl(fd, TUNSETGROUP, (unsigned long)group); }

/// Lets a tun or tap device live on when `fd` is closed.
static inline int clinux_tun_set_persistent(int fd) { return ioctl(fd, TUNSETPERSIST, 1UL); }

/// pidfd_open(2): glibc has a wrapper only since 2.36.
static inline int clinux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static inline int clinux_wait_exited(int status) { return WIFEXITED(status); }
static inline int clinux_wait_exit_status(int status) { return WEXITSTATUS(status); }
static inline int clinux_wait_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

static inline int clinux_is_directory(mode_t mode) { return S_ISDIR(mode); }
static inline int clinux_is_regular(mode_t mode) { return S_ISREG(mode); }
static inline int clinux_is_link(mode_t mode) { return S_ISLNK(mode); }

/// sendto(2): in C its address is a transparent union, which Swift can't import.
static inline ssize_t clinux_sendto(
    int fd, const void *bytes, size_t count, int flags, const struct sockaddr *address, socklen_t length) {
    return sendto(fd, bytes, count, flags, address, length);
}

/// Gives a netlink socket a port of the kernel's choice: bind(2), netlink(7).
static inline int clinux_bind_netlink(int fd) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    return bind(fd, (const struct sockaddr *)&address, sizeof address);
}

/// Takes (F_WRLCK) or lets go of (F_UNLCK) a lock on one byte of a file, which belongs to the open file: fcntl(2), "Open file
/// description locks". Waits until it can be had.
static inline int clinux_lock_byte(int fd, short type, off_t offset) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    return fcntl(fd, F_OFD_SETLKW, &lock);
}

/// Sends a datagram to a socket of the file system, unix(7); the number of bytes, or -1.
static inline ssize_t clinux_send_unix(const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    ssize_t sent = sendto(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address, sizeof address);
    int error = errno;
    close(fd);
    errno = error;
    return sent;
}

/// Receives a datagram from a netlink socket, and the port of who sent it; its whole length also where the buffer is too small for it.
static inline ssize_t clinux_receive_netlink(int fd, void *buffer, size_t size, uint32_t *sender) {
    struct sockaddr_nl address = {0};
    socklen_t length = sizeof address;
    ssize_t count = recvfrom(fd, buffer, size, MSG_TRUNC, (struct sockaddr *)&address, &length);
    *sender = address.nl_pid;
    return count;
}

/// fork(2), which Swift leaves out: only for a process of one thread. The child dies with its parent.
static inline pid_t clinux_fork(void) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
    }
    return pid;
}

struct clinux_beside {
    void (*body)(void *);
    void *context;
    pid_t parent;
};

static int clinux_beside_start(void *pointer) {
    struct clinux_beside *beside = pointer;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != beside->parent) _exit(1);
    beside->body(beside->context);
    _exit(0);
}

/// Runs `body` in a child process that shares this one's memory, as vfork(2) has it, and returns when it has ended: its process ID, or -1.
/// Nothing is copied: neither page tables nor, later, pages. Descriptors, namespaces, signals and the working directory are the child's
/// own. Only for a process of one thread. The child dies with its parent.
///
/// The child's stack is below this function's frame: this process does not run, so nothing else is there.
__attribute__((noinline, unused)) static pid_t clinux_run_beside(void (*body)(void *), void *context) {
    struct clinux_beside beside = {body, context, getpid()};
    uintptr_t stack = ((uintptr_t)__builtin_frame_address(0) - 8192) & ~(uintptr_t)15;
    return clone(clinux_beside_start, (void *)stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &beside);
}

/// Memory that nobody has touched, which costs nothing until then; shared with the children that this process forks, if it is to be. NULL where
/// there is none to be had.
static inline void *clinux_fresh_memory(size_t bytes, int shared) {
    void *memory = mmap(
        NULL, bytes, PROT_READ | PROT_WRITE, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/// A timer that kills this process when it expires, timer_create(2), by CLOCK_MONOTONIC. It is not inherited.
static inline int clinux_killing_timer(timer_t *timer) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    return timer_create(CLOCK_MONOTONIC, &event, timer);
}

/// Sets it to expire at a time in milliseconds; 0 stops it.
static inline int clinux_killing_timer_set(timer_t timer, int64_t milliseconds) {
    struct itimerspec when = {.it_value = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000}};
    return timer_settime(timer, TIMER_ABSTIME, &when, NULL);
}

/// A timer as a descriptor, timerfd_create(2), by CLOCK_MONOTONIC.
static inline int clinux_timer(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); }

/// Sets the timer to expire at a time in milliseconds; 0 stops it.
static inline int clinux_timer_set(int fd, int64_t milliseconds) {
    struct itimerspec when = {.it_value = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000}};
    return timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/// Makes this process the parent of what its descendants leave behind: prctl(2), PR_SET_CHILD_SUBREAPER.
static inline int clinux_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL); }

/// Makes a mount and all below it read-only, or undoes that: mount_setattr(2), of Linux 5.12, which older libcs know nothing of.
static inline int clinux_set_read_only(const char *path, int read_only) {
    struct {
        uint64_t set, clear, propagation, userns;
    } change = {read_only ? MS_RDONLY : 0, read_only ? 0 : MS_RDONLY, 0, 0};
    return (int)syscall(442, AT_FDCWD, path, 0x8000 /* AT_RECURSIVE */, &change, sizeof change);
}

/// The bytes of the heap that are in use, mallinfo2(3); -1 where this libc can't tell. What the thread's cache holds counts as in use: it is
/// filled before, so that it holds the same each time.
static inline int64_t clinux_heap_in_use(void) {
    void *blocks[64][7];
    for (size_t size = 0; size < 64; size++)
        for (size_t index = 0; index < 7; index++) blocks[size][index] = malloc(24 + 16 * size);
    for (size_t size = 0; size < 64; size++)
        for (size_t index = 0; index < 7; index++) free(blocks[size][index]);
    struct counts {
        size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
    };
    struct counts (*ask)(void) = (struct counts(*)(void))dlsym(RTLD_DEFAULT, "mallinfo2");
    if (!ask) return -1;
    struct counts counts = ask();
    return (int64_t)(counts.uordblks + counts.hblkhd);
}

/// The environment of this process, to hand on to an executable plugin.
static inline char *const *clinux_environment(void) {
    extern char **environ;
    return environ;
}

/// The name this program was called by (argv[0]); a multi-call binary dispatches on it.
static inline const char *clinux_program_name(void) { return program_invocation_name; }

/// A directory entry's name: `d_name` is an array, which Swift would import as a tuple.
static inline const char *clinux_entry_name(const struct dirent *entry) { return entry->d_name; }

/// strerror(3): what an errno means, in words.
const char *clinux_error_text(int error);

#include "clinux_sockets.h"

#endif
