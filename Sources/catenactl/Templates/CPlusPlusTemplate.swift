/// New modules in C++.
enum CPlusPlusTemplate {
    static let makefile =
        """
        TYPE      := @TYPE@
        LIBS      := jansson
        CXXFLAGS  ?= -O2 -g -Wall -Wextra
        # Without it a module in C++ exports what it takes from the standard library's templates.
        EXPORTS   := -Wl,--version-script=$(shell pkg-config --variable=versionscript catena)

        """ + ModuleTemplate.directories + """

            all: $(TYPE).so

            $(TYPE).so: $(TYPE).cpp Makefile
            	$(CXX) -std=c++17 -pedantic $(CXXFLAGS) $(shell pkg-config --cflags catena $(LIBS)) -shared -fPIC -fvisibility=hidden \\
            	    -Wl,-z,defs $(EXPORTS) -o $@ $< $(LDFLAGS) $(shell pkg-config --libs $(LIBS))

            clean:
            	rm -f $(TYPE).so

            """ + ModuleTemplate.install

    static let meta =
        #"""
        // @TYPE@: lets programs in the container that are not root listen on ports from `portStart` on.
        #include <catena/module.h>

        #include <jansson.h>

        #include <exception>
        #include <fstream>
        #include <memory>
        #include <stdexcept>
        #include <string>

        namespace {

        // Of the network namespace of the thread that opens it.
        const char parameter[] = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

        // A CNI error: code, message, and what to do about it.
        struct Failure : std::runtime_error {
            uint32_t code;
            std::string details;
            Failure(uint32_t number, const std::string &message, std::string advice = "")
                : std::runtime_error(message), code(number), details(std::move(advice)) {}
        };

        // A service of the host failed, which has called fail itself.
        struct Stated {
            int32_t status;
        };

        // Makes a function of the module's table from one that throws: nothing thrown may cross the C interface.
        template <void (*body)(const catena_call &)>
        int32_t guarded(const catena_call *call) noexcept {
            try {
                body(*call);
                return CATENA_OK;
            } catch (const Stated &stated) {
                return stated.status;
            } catch (const Failure &failure) {
                return call->host->fail(call, failure.code, failure.what(), failure.details.c_str());
            } catch (const std::exception &error) {
                return call->host->fail(call, CATENA_ERROR_INTERNAL, error.what(), nullptr);
            } catch (...) {
                return call->host->fail(call, CATENA_ERROR_INTERNAL, "an exception that is no std::exception", nullptr);
            }
        }

        int read_config(const catena_call &call) {
            json_error_t error;
            const std::unique_ptr<json_t, void (*)(json_t *)> root(json_loads(call.config, 0, &error), [](json_t *json) { json_decref(json); });
            if (!root) throw Failure(CATENA_ERROR_DECODING_FAILURE, std::string("decode configuration: ") + error.text);
            const json_t *value = json_object_get(root.get(), "portStart");
            if (!value || json_is_null(value)) return 0;
            if (!json_is_integer(value)) throw Failure(CATENA_ERROR_DECODING_FAILURE, "portStart: expected an integer");
            const json_int_t port = json_integer_value(value);
            if (port < 0 || port > 65535)
                throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, "portStart: must be from 0 to 65535", "it is a port number");
            return static_cast<int>(port);
        }

        // What is done in the container, and whether it was.
        struct Access {
            int port;
            bool done;
        };

        void in_container(const catena_call &call, int32_t (*body)(void *), Access &access) {
            const int32_t status = call.host->in_container(&call, body, &access);
            if (status != CATENA_OK) throw Stated{status};
            if (!access.done) throw Failure(CATENA_ERROR_IO_FAILURE, std::string("no access to ") + parameter + " in " + call.netns);
        }

        // These two are called by the host, in C: they throw nothing.

        int32_t write_port(void *context) noexcept {
            auto &access = *static_cast<Access *>(context);
            std::ofstream file(parameter);
            file << access.port << std::flush;
            access.done = file.good();
            return CATENA_OK;
        }

        int32_t read_port(void *context) noexcept {
            auto &access = *static_cast<Access *>(context);
            access.done = static_cast<bool>(std::ifstream(parameter) >> access.port);
            return CATENA_OK;
        }

        void add(const catena_call &call) {
            Access access{read_config(call), false};
            if (!call.prev_result)
                throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, "prevResult: is missing", "chain this plugin behind one that makes an interface");
            call.host->log(&call, CATENA_LOG_INFO, ("ports from " + std::to_string(access.port) + " on need no privilege").c_str());
            in_container(call, write_port, access); // no result is stated: the previous one is passed on
        }

        // With the namespace, what add made is gone.
        void del(const catena_call &call) {
            Access access{1024, false};
            if (call.netns_fd >= 0) in_container(call, write_port, access);
        }

        void check(const catena_call &call) {
            const int expected = read_config(call);
            Access access{-1, false};
            in_container(call, read_port, access);
            if (access.port != expected)
                throw Failure(CATENA_ERROR_INTERNAL, std::string("check: ") + parameter + ": expected " + std::to_string(expected) + ", found " +
                                                         std::to_string(access.port));
        }

        void status(const catena_call &call) { read_config(call); }

        const char schema[] = R"({
          "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "@TYPE@", "type": "object",
          "properties": { "portStart": { "type": "integer", "minimum": 0, "maximum": 65535 } }
        })";

        const char *const versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", nullptr};

        catena_module make_module() {
            catena_module module{};
            module.size = sizeof module;
            module.abi_major = CATENA_ABI_MAJOR;
            module.kind = CATENA_KIND_META;
            module.type = "@TYPE@";
            module.version = "0.1.0";
            module.description = "lets programs without privilege listen on low ports";
            module.cni_versions = versions;
            module.schema = schema;
            module.add = guarded<add>;
            module.del = guarded<del>;
            module.check = guarded<check>;
            module.status = guarded<status>;
            return module;
        }

        } // namespace

        extern "C" CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
            static const catena_module module = make_module();
            return host_abi_major == CATENA_ABI_MAJOR ? &module : nullptr;
        }

        """#
}
