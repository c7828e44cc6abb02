/*
 * catena/module.h: the C interface between Catena, a CNI engine, and its modules.
 *
 * A module is a shared object that does the work of one CNI plugin: "bridge", "host-local", "portmap", or yours. Catena opens it
 * with dlopen(3) and calls it in its own process. This header is all that a module needs: no library to link, no other header.
 * (catena/helpers.h beside it saves writing, in C and C++; nothing depends on it.)
 *
 *   #include <catena/module.h>
 *
 *   static int32_t add(const catena_call *call) { ... return CATENA_OK; }
 *   ...
 *   const catena_module *catena_module_entry(uint32_t host_abi_major) {
 *       static const catena_module module = { .size = sizeof module, .abi_major = CATENA_ABI_MAJOR, .type = "hello", ... };
 *       return host_abi_major == CATENA_ABI_MAJOR ? &module : NULL;
 *   }
 *
 *   cc -shared -fPIC -o hello.so hello.c        # then put hello.so into a module directory
 *
 * Words: the *host* is the program that opened the module (catena, catena-exec or catenactl). The *engine* is the part of it that
 * runs a chain. A *call* is one CNI operation on one module. CNI's own words mean what CNI 1.1.0 says.
 *
 * Rules that hold everywhere
 *
 *   Threads    A module is called on one thread, one call at a time. It starts no threads. Host services are called on that thread,
 *              during the call, and not after it.
 *   Memory     Nothing is freed on the other side from where it was allocated. What the host hands out (the call, strings, results)
 *              belongs to the host and lives until the module's function returns. What a module hands to the host is read or copied
 *              before the host's function returns, so it may be on the stack. The one exception are the strings and arrays of
 *              catena_module, which must live as long as the module is loaded.
 *   Strings    UTF-8, ended by NUL. "May be NULL" is said where it is so; everywhere else it is not NULL.
 *   State      A module keeps nothing between calls: each call may come in another process. On return, the working directory, the
 *              umask, the signal handlers, and the network namespace of the thread are as they were on entry. No descriptor is left open,
 *              no thread or child process is left running. Nothing is thrown or unwound through a function of either side.
 *   Output     A module never writes to file descriptor 1: the CNI result goes there. To say something, use host->log.
 *   Failure    A function that fails calls host->fail once and returns what that returned. A module that returns non-zero without a
 *              call of host->fail has failed for an unknown reason, and is reported so. One that returns CATENA_OK has succeeded,
 *              whatever was stated before: so it can go on without a service that failed.
 *   Growth     Each struct begins with its own size in bytes, as its maker knows it. Fields are only ever added at the end. Before
 *              reading a field that came with a later revision, compare: CATENA_HAS(call, field). Fields called `reserved` are zero.
 *              Zero a struct before filling it, and set its size: sizeof does. The major number changes only when an old module
 *              could no longer work; it is meant never to.
 *   Types      uint32_t and its like, pointers to them, and structs of these, laid out as the platform's C does. No enum, long, size_t
 *              or bool crosses.
 */
#ifndef CATENA_MODULE_H
#define CATENA_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The major number of this interface: host and module must have the same one. */
#define CATENA_ABI_MAJOR 1u

/* True where `object` (a pointer to one of the structs below) is large enough to have `field`: its maker knew of it. */
#define CATENA_HAS(object, field) \
    ((object)->size >= (uint32_t)((const char *)(&(object)->field + 1) - (const char *)(object)))

/* Makes catena_module_entry visible also where a module is compiled with -fvisibility=hidden. */
#if defined(__GNUC__) || defined(__clang__)
#define CATENA_EXPORT __attribute__((visibility("default")))
#else
#define CATENA_EXPORT
#endif

/* What every function of a module returns when it succeeded. Anything else is a failure. */
#define CATENA_OK 0

/* ---- Operations: the CNI verbs (CNI 1.1.0, section 2) ---- */

#define CATENA_ADD 1u
#define CATENA_DEL 2u
#define CATENA_CHECK 3u
#define CATENA_GC 4u
#define CATENA_STATUS 5u
#define CATENA_REPAIR 6u /* no verb of CNI: see catena_module.repair */

/* ---- Kinds of modules ---- */

#define CATENA_KIND_INTERFACE 1u /* makes the container's interface: first in a chain (bridge, ptp, macvlan) */
#define CATENA_KIND_IPAM 2u      /* hands out addresses: called by delegation only (host-local, static) */
#define CATENA_KIND_META 3u      /* adds to what is there: later in a chain (portmap, firewall) */

/* ---- Log levels ---- */

#define CATENA_LOG_DEBUG 1u
#define CATENA_LOG_INFO 2u
#define CATENA_LOG_WARNING 3u
#define CATENA_LOG_ERROR 4u

/* ---- Error codes that CNI 1.1.0 (section 5) gives a meaning, and 100 and up for a module's own ---- */

#define CATENA_ERROR_UNSUPPORTED_FIELD 2u      /* the message holds key and value */
#define CATENA_ERROR_UNKNOWN_CONTAINER 3u      /* the runtime need not clean up */
#define CATENA_ERROR_INVALID_ENVIRONMENT 4u    /* CNI_ARGS, say: the message names it */
#define CATENA_ERROR_IO_FAILURE 5u
#define CATENA_ERROR_DECODING_FAILURE 6u       /* a value has another type than the key wants */
#define CATENA_ERROR_INVALID_CONFIGURATION 7u
#define CATENA_ERROR_INVALID_NETNS 8u
#define CATENA_ERROR_TRY_AGAIN_LATER 11u
#define CATENA_ERROR_NOT_AVAILABLE 50u         /* STATUS: ADD would fail */
#define CATENA_ERROR_LIMITED_CONNECTIVITY 51u  /* STATUS: ADD would fail, and present containers may be limited too */
#define CATENA_ERROR_INTERNAL 999u             /* everything else */

/* ---- A CNI result (CNI 1.1.0, section 6), as structs ----
 *
 * The engine gives the previous plugin's result in this form, takes a module's own in it, and converts from and to JSON of every CNI
 * version where an executable or the runtime needs that: a module never does.
 */

typedef struct catena_interface {
    uint32_t size;
    uint32_t mtu;            /* bytes; 0: not told */
    const char *name;        /* "eth0" */
    const char *mac;         /* "0a:58:0a:01:00:05"; may be NULL */
    const char *sandbox;     /* path of the container's network namespace; NULL for an interface of the host */
    const char *socket_path; /* of a vhost-user interface; may be NULL */
    const char *pci_id;      /* of a device given to the container; may be NULL */
} catena_interface;

typedef struct catena_ip {
    uint32_t size;
    int32_t interface_index; /* which of the result's interfaces has it, always one that is there; -1: not told, as an IPAM module does */
    const char *address;     /* with prefix length: "10.1.0.5/16", "fd00::5/64" */
    const char *gateway;     /* "10.1.0.1"; may be NULL */
} catena_ip;

#define CATENA_ROUTE_HAS_TABLE 1u /* bits of catena_route.flags: 0 is a value of its own for these two */
#define CATENA_ROUTE_HAS_SCOPE 2u

typedef struct catena_route {
    uint32_t size;
    uint32_t flags;    /* CATENA_ROUTE_HAS_... */
    const char *dst;   /* "0.0.0.0/0" */
    const char *gw;    /* next hop; may be NULL */
    uint32_t mtu;      /* bytes; 0: none */
    uint32_t advmss;   /* bytes; 0: none */
    uint32_t priority; /* 0: the kernel's */
    uint32_t table;    /* where flags say so */
    uint32_t scope;    /* where flags say so: as rtnetlink(7) numbers them, 0 universe, 253 link, 254 host */
    uint32_t reserved;
} catena_route;

typedef struct catena_dns {
    uint32_t size;
    uint32_t nameserver_count;
    uint32_t search_count;
    uint32_t option_count;
    const char *const *nameservers; /* NULL where the count is 0; so too below */
    const char *const *search;
    const char *const *options;
    const char *domain; /* may be NULL */
} catena_dns;

/* Arrays are arrays of pointers, so that the structs in them can grow. An array is NULL where its count is 0. */
typedef struct catena_result {
    uint32_t size;
    uint32_t interface_count;
    uint32_t ip_count;
    uint32_t route_count;
    const catena_interface *const *interfaces;
    const catena_ip *const *ips;
    const catena_route *const *routes;
    const catena_dns *dns; /* NULL: none */
} catena_result;

/* An attachment that is still in use: what GC must not touch. */
typedef struct catena_attachment {
    uint32_t size;
    uint32_t reserved;
    const char *container_id;
    const char *ifname;
} catena_attachment;

typedef struct catena_host catena_host;

/* ---- One operation on one module ----
 *
 * Made by the host; a module reads it, and passes the pointer on to host services, which know the call by it.
 */
typedef struct catena_call {
    uint32_t size;
    uint32_t operation; /* CATENA_ADD ... */

    const catena_host *host; /* the services; never NULL */

    const char *network;      /* the network's name: letters, digits, `_`, `.`, `-`, begins with a letter or digit */
    const char *container_id; /* of the same characters; "" for GC and STATUS */
    const char *ifname;       /* CNI_IFNAME, at most 15 bytes, no `/`, `:` or white space; "" for GC and STATUS */
    const char *netns;        /* CNI_NETNS, a path; "" where there is none (DEL may lack it; GC and STATUS do) */
    const char *args;         /* CNI_ARGS, "K=V;K=V"; may be "" */
    const char *path;         /* CNI_PATH; may be "" */
    const char *cni_version;  /* of the configuration, "1.1.0"; where the module does not serve that, the newest older one that it does */

    /* This plugin's configuration: a JSON object with `cniVersion`, `name`, `type`, the plugin's own keys, `runtimeConfig` with the
     * capabilities it declared, and `args`. `prevResult` is not in it: it is below. For an IPAM module it is the configuration of
     * the plugin that delegates to it; its own keys are in the member `ipam`. */
    const char *config;

    /* ADD: the result of the plugin before this one, NULL for the first. DEL and CHECK: the result of the whole chain's ADD, NULL
     * where it is not known (DEL must cope). NULL for GC and STATUS. */
    const catena_result *prev_result;

    /* GC: the attachments of this network that are in use. An empty list means none is. NULL and 0 for the other operations. */
    const catena_attachment *const *valid_attachments;
    uint32_t valid_attachment_count;

    /* The namespace at `netns`, open for reading; -1 where there is none: always for GC and STATUS, possibly for DEL, and for ADD and
     * CHECK of a chain in which no module is of kind interface. Owned by the host: don't close it. */
    int32_t netns_fd;

    void *host_data; /* the host's own; not for modules */
} catena_call;

/* ---- The host's services ----
 *
 * A table of functions, reached as call->host; none of those of the release that `size` tells is NULL. All are called by the module,
 * on the thread of the call, before it returns. All take the call first: the one the module was given, not a copy.
 */
struct catena_host {
    uint32_t size;
    uint32_t abi_major;  /* CATENA_ABI_MAJOR of the host */
    const char *name;    /* "catena" */
    const char *version; /* "0.1.0" */

    /* Says something to whoever reads the log. `level` is CATENA_LOG_...; `message` is one line, without a newline. The host adds network,
     * container and plugin. */
    void (*log)(const catena_call *call, uint32_t level, const char *message);

    /* States why the call fails: a CNI error code; a message that says what was being done, to what, and why it failed ("set master
     * br0 on veth3f0a: Device or resource busy"); details that say what to do, NULL for none. The last statement counts.
     * Returns a non-zero number, so that a module can write: return host->fail(call, ...); */
    int32_t (*fail)(const catena_call *call, uint32_t code, const char *message, const char *details);

    /* ADD: states the result. It is copied. The last statement counts. A module that states none on ADD, or states NULL, passes the
     * previous result on as it is. Without effect for the other operations. Returns CATENA_OK, or non-zero where the result is malformed
     * (an address that is none, an interface index out of range): the host has then called fail, and the module returns that number. */
    int32_t (*set_result)(const catena_call *call, const catena_result *result);

    /* Runs another plugin for this one, as an interface plugin does with its IPAM plugin: `type` is its name, a module or an
     * executable in CNI_PATH, the caller need not know. `operation` is CATENA_ADD ... `config` is the JSON it gets, NULL for the
     * calling module's own (which is what IPAM plugins expect).
     * The delegate gets this call's attachment, previous result and valid attachments; what is queued for nftables is committed before an
     * executable runs.
     * On CATENA_ADD `*result` is set: its result, the host's, until the call ends; never NULL where the delegate succeeded. For other
     * operations, or if not wanted, `result` may be NULL, and is left alone. Returns CATENA_OK, or non-zero where the delegate failed: the
     * host has then called fail with the delegate's error, so the module may return that number as it is. When a delegate's ADD fails, the
     * host has run its DEL. When the module fails after it, its DEL is the module's to run. */
    int32_t (*delegate)(const catena_call *call, const char *type, uint32_t operation, const char *config, const catena_result **result);

    /* Tells the last failure that was stated in this call, by the module or by a service: its code, its message, and its details (""
     * for none), the host's, until the call ends; each pointer may be NULL where it isn't wanted. For a module that cleans up after a
     * failed service by other services, whose failures would take the place of the first, or goes on without it. Returns CATENA_OK, or
     * non-zero where there was no failure: then nothing is set. */
    int32_t (*failure)(const catena_call *call, uint32_t *code, const char **message, const char **details);

    /* A NETLINK_ROUTE socket: of the host's namespace for container 0, of the container's for container 1. Opened once and shared by
     * the modules of a chain; blocking; bound, not connected: send(2) goes to the kernel; extended acknowledgements and strict checking
     * are on. The host owns it: don't close it, or change its options; read every answer to what was sent, and take no answer for yours
     * whose sequence number is not. Returns the descriptor, or -1 where it can't be had, as where the container has no namespace: the
     * host has then called fail. */
    int32_t (*netlink)(const catena_call *call, uint32_t container);

    /* Memory that lives until the call ends, aligned for any type, zeroed. For 0 bytes too it is not NULL. NULL where there is none left. */
    void *(*allocate)(const catena_call *call, uint64_t bytes);

    /* Calls `body` with the thread in the container's network namespace (for /proc/sys/net, or to open a socket there) and puts it back
     * whatever happens. `body` gets `context`, is called at most once, before this returns, and calls no service but log, fail, failure
     * and allocate. Returns what `body` returned. Where the namespace can't be entered, or there is none, `body` is not called, fail is, and
     * non-zero is returned: so let `body` tell what came of it by its context, and return CATENA_OK, or what fail returned. */
    int32_t (*in_container)(const catena_call *call, int32_t (*body)(void *context), void *context);

    /* A service that is not in this table, by its name, such as CATENA_NFT; NULL where this host has none of that name. The pointer is
     * to a struct that the name's documentation describes, and is valid as long as the module is loaded.
     * Names are "catena.WORD/REVISION"; those of others begin with a domain of theirs turned around: "org.example.word/1".
     * What a name stands for never changes: something new gets a new revision. */
    const void *(*extension)(const catena_call *call, const char *name);
};

/* ---- Extension "catena.nft/1": nftables ----
 *
 * Commands are collected over the whole chain and committed as one transaction: by the engine, in order, after the last module of the
 * chain, or before a plugin that runs as an executable. If a later plugin fails, they are dropped, and the kernel never sees them.
 */
#define CATENA_NFT "catena.nft/1"

/* An element of a set or map, as the kernel has it. */
typedef struct catena_nft_element {
    uint32_t size;
    uint32_t data_length;  /* bytes at data */
    const char *comment;   /* may be NULL */
    const uint8_t *data;   /* a map's value, numbers in network order; NULL for a set, and for a verdict */
} catena_nft_element;

#define CATENA_NFT_ADD_ELEMENT 1u    /* as `add element`: no change where the same is there, a failure where its value is another */
#define CATENA_NFT_DELETE_ELEMENT 2u /* as `delete element`: a failure where it is not there */
#define CATENA_NFT_CREATE_ELEMENT 3u /* as `create element`: a failure where its key is there */

/* A change of one element of a set or map. */
typedef struct catena_nft_change {
    uint32_t size;
    uint32_t action;       /* CATENA_NFT_..._ELEMENT */
    const char *family;    /* "ip", "ip6", "inet", "bridge" */
    const char *table;     /* "catena" */
    const char *set;       /* the set's or map's name */
    const uint8_t *key;    /* its bytes: numbers in network order, each part of a concatenation padded with zeros to a multiple of four */
    uint32_t key_length;   /* bytes at key */
    uint32_t data_length;  /* bytes at data */
    const uint8_t *data;   /* adding to a map: the value, in the same form; else NULL, and for a verdict */
    const char *verdict;   /* adding to a map of verdicts: "accept", "drop", "return", "goto CHAIN" or "jump CHAIN"; else NULL */
    const char *comment;   /* adding: at most 127 bytes; may be NULL */
    const char *command;   /* the same in nft(8) syntax, one line; commands before it, each ended by a semicolon, may set up what it needs: they
                            * run where that is gone when it is committed, or where the transaction has text */
    const char *object;    /* adding to a map of objects: the name of the one that the element refers to, such as a counter; else NULL */
} catena_nft_change;

typedef struct catena_nft {
    uint32_t size;
    uint32_t reserved;

    /* Appends one or more commands in nft(8) syntax, separated by newlines: "add element inet catena ports4 { tcp . 8080 : ... }".
     * The text is taken as it is: a module must have checked or built every word of it. `purpose` says in a few words what they are
     * for ("publish host port 8080/tcp"): it begins the error message if they fail when they are committed. Returns CATENA_OK, or a number
     * after a call of fail. */
    int32_t (*queue)(const catena_call *call, const char *commands, const char *purpose);

    /* Runs a listing command ("list map inet catena ports4") at once, apart from the transaction, and sets `*json` to its output as
     * libnftables writes it with JSON on; the host's, until the call ends. Its cost grows with what it lists. What is queued is not in
     * it yet. Returns CATENA_OK; CATENA_NFT_ABSENT where the table, chain, set or map does not exist; another number after a call of
     * fail. */
    int32_t (*query)(const catena_call *call, const char *command, const char **json);

    /* Whether a chain exists, asked of the kernel directly: its cost does not grow with the ruleset. For a module that sets up its table
     * and chains only where they are missing. `family` is "ip", "ip6", "inet", "bridge". What is queued is not seen. Returns CATENA_OK
     * where it exists; CATENA_NFT_ABSENT where it does not; another number after a call of fail. */
    int32_t (*has_chain)(const catena_call *call, const char *family, const char *table, const char *chain);

    /* Asks the kernel directly for one element of a set or map: its cost does not grow with the ruleset. `key` is the key's bytes: numbers
     * in network order, each part of a concatenation padded with zeros to a multiple of four bytes ("tcp . 8080": 6 0 0 0 31 144 0 0).
     * Sets `*element`, the host's, until the call ends. What is queued is not seen. Returns as has_chain does. */
    int32_t (*element)(
        const catena_call *call, const char *family, const char *table, const char *set, const uint8_t *key, uint32_t key_length,
        const catena_nft_element **element);

    /* Commits what the chain has queued so far. On DEL and GC for a module that is about to delete links or release addresses: rules that
     * name an address go before the address can be given to someone else, and the kernel's grace periods overlap. On ADD only for a
     * module that must act after its rules are in force (portmap removes stale connections then): should a later plugin fail, its `del`
     * has to take them back. Returns CATENA_OK, or a number after a call of fail. */
    int32_t (*commit)(const catena_call *call);

    /* Appends a change of one element to the transaction, as queue does with its `command`. A transaction of nothing but such changes goes to
     * the kernel directly, which takes about 30 microseconds, against a millisecond for text: so a module queues text only where its
     * table, chains or sets are missing. With text in the transaction, the commands of all changes are run as text too. All of `change` is
     * copied. Returns CATENA_OK, or a number after a call of fail where the change is malformed. Since 0.2.0: CATENA_HAS(nft, change). */
    int32_t (*change)(const catena_call *call, const catena_nft_change *change, const char *purpose);
} catena_nft;

#define CATENA_NFT_ABSENT 2

/* ---- Extension "catena.links/1": deleting links ----
 *
 * The kernel waits 10 to 20 milliseconds when a link is deleted, but only once where several are deleted in one message. So the modules of
 * a chain queue their links of the host's namespace, and the interface module, of which DEL comes last, deletes its own with them. What is
 * left in the queue when the chain's DEL, undo or GC has run all its modules, or failed, and before a plugin that runs as an executable,
 * the engine deletes: a module need not know whether it is alone. Since 0.2.0. A host without it gives NULL: then a module deletes its
 * links itself.
 */
#define CATENA_LINKS "catena.links/1"

typedef struct catena_links {
    uint32_t size;
    uint32_t reserved;

    /* DEL and GC: queues a link of the host's namespace. `ifindex` is its index; `name`, which is copied, is for error messages. The module
     * has made sure that the link is its own. That it is gone when its turn comes is no failure. Returns CATENA_OK, or a number after
     * a call of fail: for another operation, and where the index is not positive. */
    int32_t (*queue_delete)(const catena_call *call, int32_t ifindex, const char *name);

    /* How many links are in the queue, by modules before and by this one: an interface module asks whether it pays to look for its
     * link in the host's namespace, to delete it with them. */
    uint32_t (*queued)(const catena_call *call);

    /* Deletes all that is queued, in one message, after it has committed what is queued for nftables. For a module that is about to release
     * the addresses of what it queued. The queue is empty afterwards, whatever came of it. Returns CATENA_OK, also for an empty queue; or a
     * number after a call of fail, which names the link: the others are deleted. Where nftables is what failed, no link is deleted yet. */
    int32_t (*delete_queued)(const catena_call *call);
} catena_links;

/* ---- A module ----
 *
 * Made by the module, read by the host; constant, and alive as long as the module is loaded.
 *
 * The five functions are called by the host. Each gets a call that is valid until it returns, and returns CATENA_OK or a failure.
 * One that is NULL is a success without an effect, except `add`, which must be there.
 */
typedef struct catena_module {
    uint32_t size;
    uint32_t abi_major; /* CATENA_ABI_MAJOR of the header it was compiled with */
    uint32_t kind;      /* CATENA_KIND_... */
    uint32_t reserved;

    const char *type;        /* the plugin's name, and that of the file without ".so": "bridge"; [A-Za-z0-9][A-Za-z0-9_.-]* */
    const char *version;     /* the module's own: "0.1.0" */
    const char *description; /* one line for people */

    /* The CNI versions it serves, ended by NULL, oldest first. A configuration of a later one is put to it in the newest of these that is
     * older; one that is older than all of them is refused. The structs are the same for every version. */
    const char *const *cni_versions;

    /* The capabilities it takes from runtimeConfig ("portMappings"), ended by NULL; may be NULL. */
    const char *const *capabilities;

    /* A JSON Schema (2020-12) of its configuration; may be NULL. */
    const char *schema;

    /* CNI ADD: attach the container. All or nothing: what a failed add has made is its own to remove before it returns. */
    int32_t (*add)(const catena_call *call);
    /* CNI DEL: undo add. Never fails because something is gone already; may be called without an add, and more than once. Called also
     * to undo an add of this module that succeeded when a later plugin failed. */
    int32_t (*del)(const catena_call *call);
    /* CNI CHECK: compare what add made with what is there. Not called for configurations older than CNI 0.4.0. */
    int32_t (*check)(const catena_call *call);
    /* CNI GC: remove everything of this network that is not in valid_attachments. Not called before CNI 1.1.0. */
    int32_t (*gc)(const catena_call *call);
    /* CNI STATUS: would add work? Not called before CNI 1.1.0. */
    int32_t (*status)(const catena_call *call);

    /* Not in the first release. Not a verb of CNI: makes anew what this module's add had put where others may take it away, nftables
     * above all, and only that; links, addresses and reservations are not touched. `prev_result` is the result of the whole chain's ADD,
     * never NULL. What is there as it should be stays; called as often as someone likes. */
    int32_t (*repair)(const catena_call *call);
} catena_module;

/* The one symbol that a module exports, unless its file holds several: see below. Called by the host once after it opened the module, with its own CATENA_ABI_MAJOR. Returns the
 * module, or NULL where it can't serve that number. It only looks; it does no work and makes no call. */
CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major);

typedef const catena_module *(*catena_module_entry_function)(uint32_t host_abi_major);

/* Not in the first release. A shared object may hold the modules of several types: it then exports this one instead, and in a module
 * directory there is a link to it for each type (bridge.so, portmap.so). Called by the host once for each type that it needs, with that
 * type, "bridge": a string that lives until it returns. Returns the module of that type; NULL where it has none, or can't serve the
 * number. Otherwise as catena_module_entry, which comes first where a file exports both. */
CATENA_EXPORT const catena_module *catena_modules_entry(uint32_t host_abi_major, const char *type);

typedef const catena_module *(*catena_modules_entry_function)(uint32_t host_abi_major, const char *type);

#ifdef __cplusplus
}
#endif

#endif
