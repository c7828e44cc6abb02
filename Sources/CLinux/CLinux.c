#include "CLinux.h"

const char *clinux_error_text(int error) {
    const char *text = strerror(error);
    return text ? text : "Unknown error";
}

// Swift's Set, Dictionary and hashing seed themselves from arc4random_buf, which glibc has only since 2.36. This one, of the same
// meaning, keeps the programs and modules loadable on older systems (Ubuntu 22.04, RHEL 9).
__attribute__((visibility("hidden"))) void arc4random_buf(void *buffer, size_t length) {
    unsigned char *next = buffer;
    while (length > 0) {
        ssize_t got = getrandom(next, length, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            abort();  // no entropy source at all: nothing that relies on it may go on
        }
        next += got;
        length -= (size_t)got;
    }
}

// The functions of libm that Swift's standard library calls, to convert a Double to an integer and to size a hash table: with these, the
// library need not be loaded. From 2^52 on a double has no fraction; NaN compares false.
__attribute__((visibility("hidden"))) double trunc(double value) {
    if (!(__builtin_fabs(value) < 4503599627370496.0)) return value;
    return __builtin_copysign((double)(int64_t)value, value);
}

__attribute__((visibility("hidden"))) double ceil(double value) {
    double whole = trunc(value);
    return whole < value ? whole + 1 : whole;
}

__attribute__((visibility("hidden"))) double floor(double value) {
    double whole = trunc(value);
    return whole > value ? whole - 1 : whole;
}
