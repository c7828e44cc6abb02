// A module in C++ that lets an exception out.
#include <catena/module.h>

#include <stdexcept>

static int32_t add(const catena_call *) { throw std::runtime_error("thrown"); }

static const char *const versions[] = {"1.0.0", nullptr};

extern "C" CATENA_EXPORT const catena_module *catena_module_entry(uint32_t) {
    static catena_module module = {};
    module.size = sizeof module;
    module.abi_major = CATENA_ABI_MAJOR;
    module.kind = CATENA_KIND_META;
    module.type = "throws";
    module.version = "1.0.0";
    module.description = "throws";
    module.cni_versions = versions;
    module.add = add;
    return &module;
}
