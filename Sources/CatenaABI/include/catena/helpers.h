/*
 * catena/helpers.h: what most modules in C and C++ write again: a message with numbers in it, and the previous result with something
 * added. Optional: it is made of catena/module.h and libc alone, and is no part of the interface between host and module.
 *
 *   catena_result *result = catena_result_copy(call, call->prev_result);
 *   if (!result || !catena_result_add_route(call, result, &route) || !catena_result_add_nameserver(call, result, "198.51.100.53"))
 *       return catena_out_of_memory(call);
 *   return call->host->set_result(call, result);
 *
 *   return catena_fail(call, CATENA_ERROR_INTERNAL, "run DEL first", "make %s: %s", name, strerror(errno));
 *
 * All memory is the call's, from host->allocate: nothing is to be freed, and what a function returns lives until the call ends. What is
 * added is not copied: it must live until set_result has returned, which things on the stack of the caller do.
 */
#ifndef CATENA_HELPERS_H
#define CATENA_HELPERS_H

#include <catena/module.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The compiler checks arguments against the format, as it does for printf(3). */
#if defined(__GNUC__) || defined(__clang__)
#define CATENA_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CATENA_PRINTF(text, first)
#endif

/* ---- Texts ---- */

/* A text as vprintf(3) would write it; NULL where there is no memory, or the format is wrong. */
CATENA_PRINTF(2, 0)
static inline const char *catena_vformat(const catena_call *call, const char *format, va_list arguments) {
    va_list again;
    int length;
    char *text;
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = length < 0 ? NULL : (char *)call->host->allocate(call, (uint64_t)length + 1);
    if (text) (void)vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

/* A text as printf(3) would write it; NULL where there is no memory, or the format is wrong. */
CATENA_PRINTF(2, 3)
static inline const char *catena_format(const catena_call *call, const char *format, ...) {
    const char *text;
    va_list arguments;
    va_start(arguments, format);
    text = catena_vformat(call, format, arguments);
    va_end(arguments);
    return text;
}

/* host->fail with a message as printf(3) would write it. `details` says what to do; NULL for nothing. Returns what host->fail returned. */
CATENA_PRINTF(4, 5)
static inline int32_t catena_fail(const catena_call *call, uint32_t code, const char *details, const char *format, ...) {
    const char *text;
    va_list arguments;
    va_start(arguments, format);
    text = catena_vformat(call, format, arguments);
    va_end(arguments);
    return call->host->fail(call, code, text ? text : format, details);
}

/* host->fail for want of memory. */
static inline int32_t catena_out_of_memory(const catena_call *call) {
    return call->host->fail(call, CATENA_ERROR_INTERNAL, "out of memory", NULL);
}

/* host->log with a line as printf(3) would write it. */
CATENA_PRINTF(3, 4)
static inline void catena_log(const catena_call *call, uint32_t level, const char *format, ...) {
    const char *text;
    va_list arguments;
    va_start(arguments, format);
    text = catena_vformat(call, format, arguments);
    va_end(arguments);
    call->host->log(call, level, text ? text : format);
}

/* ---- Results ----
 *
 * A host may be older than this header, or newer: a struct of its is copied as far as both sides know it, and what a copied result points
 * to stays the host's own, with all that it knows of it.
 */

/* A result to add to: `from`, or an empty one where that is NULL. NULL where there is no memory. */
static inline catena_result *catena_result_copy(const catena_call *call, const catena_result *from) {
    catena_result *result = (catena_result *)call->host->allocate(call, sizeof *result);
    if (!result) return NULL;
    if (from) memcpy(result, from, from->size < sizeof *result ? from->size : sizeof *result);
    result->size = (uint32_t)sizeof *result;
    return result;
}

/* `list`, of `count` pointers, with `item` behind them. NULL where there is no memory. */
static inline const void *catena_list_with(const catena_call *call, const void *list, uint32_t count, const void *item) {
    const void **longer = (const void **)call->host->allocate(call, ((uint64_t)count + 1) * sizeof *longer);
    if (!longer) return NULL;
    if (count) memcpy((void *)longer, list, (size_t)count * sizeof *longer);
    longer[count] = item;
    return (const void *)longer;
}

/* Each of these adds something at the end of a list of a result that catena_result_copy made. Non-zero where it is done, 0 where there is
 * no memory: the result is then as it was. */

static inline int catena_result_add_interface(const catena_call *call, catena_result *result, const catena_interface *interface) {
    const void *list = catena_list_with(call, (const void *)result->interfaces, result->interface_count, interface);
    if (!list) return 0;
    result->interfaces = (const catena_interface *const *)list;
    result->interface_count++;
    return 1;
}

static inline int catena_result_add_ip(const catena_call *call, catena_result *result, const catena_ip *ip) {
    const void *list = catena_list_with(call, (const void *)result->ips, result->ip_count, ip);
    if (!list) return 0;
    result->ips = (const catena_ip *const *)list;
    result->ip_count++;
    return 1;
}

static inline int catena_result_add_route(const catena_call *call, catena_result *result, const catena_route *route) {
    const void *list = catena_list_with(call, (const void *)result->routes, result->route_count, route);
    if (!list) return 0;
    result->routes = (const catena_route *const *)list;
    result->route_count++;
    return 1;
}

/* `address` is an IP address as text: "198.51.100.53". */
static inline int catena_result_add_nameserver(const catena_call *call, catena_result *result, const char *address) {
    const catena_dns *from = result->dns;
    catena_dns *dns = (catena_dns *)call->host->allocate(call, sizeof *dns);
    const void *list;
    if (!dns) return 0;
    if (from) memcpy(dns, from, from->size < sizeof *dns ? from->size : sizeof *dns);
    dns->size = (uint32_t)sizeof *dns;
    list = catena_list_with(call, (const void *)dns->nameservers, dns->nameserver_count, address);
    if (!list) return 0;
    dns->nameservers = (const char *const *)list;
    dns->nameserver_count++;
    result->dns = dns;
    return 1;
}

#ifdef __cplusplus
}
#endif

#endif
