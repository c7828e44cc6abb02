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
