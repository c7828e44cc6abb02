// deny-egress: drops what a container sends to certain destinations. README.md says what its keys mean, and how nftables holds it.
#include <catena/module.h>

#include <arpa/inet.h>
#include <jansson.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// ---- Failures: thrown here, and never across the C interface ----

// A CNI error: code, message, and what to do about it.
struct Failure : std::runtime_error {
    uint32_t code;
    std::string details;
    Failure(uint32_t code, const std::string &message, std::string details = "")
        : std::runtime_error(message), code(code), details(std::move(details)) {}
};

// A service of the host failed, which has called fail itself: the module returns that number.
struct Stated {
    int32_t status;
};

void require(int32_t status) {
    if (status != CATENA_OK) throw Stated{status};
}

// Makes a function of the module's table from one that throws.
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

// ---- Addresses ----

// An IPv4 or IPv6 address, or a network. Only its own text, never one from outside, gets into a command.
struct Network {
    int family;
    std::array<uint8_t, 16> bytes{};
    unsigned prefix;

    size_t size() const { return family == AF_INET ? 4 : 16; }
    const char *word() const { return family == AF_INET ? "ip" : "ip6"; }
    std::string address() const {
        char text[INET6_ADDRSTRLEN];
        return inet_ntop(family, bytes.data(), text, sizeof text) ? text : "";
    }
    std::string text() const { return address() + "/" + std::to_string(prefix); }

    // "10.0.0.0/8", "169.254.169.254"; nothing where it is neither. Bits behind the prefix are cleared where `masked`.
    static std::optional<Network> parse(const std::string &text, bool masked) {
        Network network{};
        const auto slash = text.find('/');
        network.family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
        if (inet_pton(network.family, text.substr(0, slash).c_str(), network.bytes.data()) != 1) return {};
        const unsigned bits = 8 * static_cast<unsigned>(network.size());
        network.prefix = bits;
        if (slash != std::string::npos) {
            const std::string digits = text.substr(slash + 1);
            if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) return {};
            network.prefix = static_cast<unsigned>(std::stoi(digits));
            if (network.prefix > bits) return {};
        }
        for (unsigned bit = network.prefix; masked && bit < bits; bit++) network.bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
        return network;
    }
};

// ---- Configuration ----

struct FreeJSON {
    void operator()(json_t *json) const { json_decref(json); }
};
using JSON = std::unique_ptr<json_t, FreeJSON>;

JSON decode(const char *text, const char *what) {
    json_error_t error;
    JSON json(json_loads(text, 0, &error));
    if (!json_is_object(json.get()))
        throw Failure(CATENA_ERROR_DECODING_FAILURE, std::string("decode ") + what + ": " + (json ? "expected an object" : error.text));
    return json;
}

std::vector<Network> destinations(const catena_call &call) {
    const JSON config = decode(call.config, "configuration");
    const json_t *list = json_object_get(config.get(), "destinations");
    if (!list || json_is_null(list)) throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, "destinations: is missing", "list what is not to be reached");
    if (!json_is_array(list)) throw Failure(CATENA_ERROR_DECODING_FAILURE, "destinations: expected a list");
    std::vector<Network> found;
    for (size_t index = 0; index < json_array_size(list); index++) {
        const std::string place = "destinations[" + std::to_string(index) + "]: ";
        const char *text = json_string_value(json_array_get(list, index));
        if (!text) throw Failure(CATENA_ERROR_DECODING_FAILURE, place + "expected a string");
        const auto network = Network::parse(text, true);
        if (!network) throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, place + "\"" + text + "\" is no IP address or network");
        found.push_back(*network);
    }
    if (found.empty()) throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, "destinations: the list is empty");
    return found;
}

// ---- What nftables holds ----

uint64_t hash(const std::string &text) { // FNV-1a
    uint64_t value = 0xcbf29ce484222325u;
    for (const char character : text) value = (value ^ static_cast<uint8_t>(character)) * 0x100000001b3u;
    return value;
}

std::string hex(uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

const char *const table = "inet deny_egress";
const std::string base = "prerouting";

// The table, which is made once. Elements of its maps send a container's packets to the chain of its destinations.
const char *const skeleton =
    "add table inet deny_egress\n"
    "add map inet deny_egress from4 { type ipv4_addr : verdict; }\n"
    "add map inet deny_egress from6 { type ipv6_addr : verdict; }\n"
    "add chain inet deny_egress prerouting { type filter hook prerouting priority -150; policy accept; }\n"
    "flush chain inet deny_egress prerouting\n"
    "add rule inet deny_egress prerouting ip saddr vmap @from4\n"
    "add rule inet deny_egress prerouting ip6 saddr vmap @from6";

std::string map_of(const Network &address) { return address.family == AF_INET ? "from4" : "from6"; }

// Each list of destinations has a chain, which all containers with this list share. Its name tells the list.
std::string chain_of(const std::vector<Network> &list) {
    std::string all;
    for (const Network &network : list) all += network.text() + " ";
    return "deny_" + hex(hash(all));
}

std::string chain_commands(const std::vector<Network> &list) {
    const std::string chain = std::string(table) + " " + chain_of(list);
    std::string commands = "add chain " + chain + "\nflush chain " + chain;
    for (const Network &network : list) commands += "\nadd rule " + chain + " " + network.word() + " daddr " + network.text() + " counter drop";
    return commands;
}

// Whose an element is: "network/containerID/ifname", where bytes that mean something to nft are written as % and two digits.
std::string owner(const char *network, const char *container, const char *ifname) {
    std::string text;
    for (const char *part : {network, container, ifname}) {
        if (!text.empty()) text += '/';
        for (; *part; part++) {
            char escaped[4] = {*part, 0};
            if (!std::isalnum(static_cast<unsigned char>(*part)) && !std::strchr("_.-", *part))
                std::snprintf(escaped, sizeof escaped, "%%%02x", static_cast<unsigned char>(*part));
            text += escaped;
        }
    }
    // The kernel's limit for a comment. What is cut off counts by its hash.
    return text.size() <= 127 ? text : text.substr(0, 110) + "~" + hex(hash(text));
}

std::string owner(const catena_call &call) { return owner(call.network, call.container_id, call.ifname); }

// The service catena.nft/1, for one call.
class Nft {
public:
    explicit Nft(const catena_call &call) : call(call), nft(static_cast<const catena_nft *>(call.host->extension(&call, CATENA_NFT))) {
        if (!nft) throw Failure(CATENA_ERROR_INTERNAL, "the host has no service " CATENA_NFT);
    }

    void queue(const std::string &commands, const std::string &purpose) const {
        if (!commands.empty()) require(nft->queue(&call, commands.c_str(), purpose.c_str()));
    }

    bool has_chain(const std::string &chain) const { return present(nft->has_chain(&call, "inet", "deny_egress", chain.c_str())); }

    // The comment of an address's element; nothing where there is no element.
    std::optional<std::string> element(const Network &address) const {
        const catena_nft_element *found = nullptr;
        if (!present(nft->element(&call, "inet", "deny_egress", map_of(address).c_str(), address.bytes.data(), static_cast<uint32_t>(address.size()), &found)))
            return {};
        return found->comment ? found->comment : "";
    }

    // The commands that delete the elements whose comment is wanted. Lists the maps: its cost grows with the number of containers.
    std::string deletions(const std::function<bool(const std::string &)> &wanted) const {
        std::string commands;
        for (const char *map : {"from4", "from6"}) {
            const char *text = nullptr;
            if (!present(nft->query(&call, (std::string("list map ") + table + " " + map).c_str(), &text))) continue;
            const JSON answer = decode(text, "nft's answer");
            size_t index, place;
            json_t *object, *pair;
            json_array_foreach(json_object_get(answer.get(), "nftables"), index, object) {
                json_array_foreach(json_object_get(json_object_get(object, "map"), "elem"), place, pair) {
                    const json_t *element = json_object_get(json_array_get(pair, 0), "elem");
                    const char *comment = json_string_value(json_object_get(element, "comment"));
                    const char *key = json_string_value(json_object_get(element, "val"));
                    const auto address = key && comment && wanted(comment) ? Network::parse(key, false) : std::nullopt;
                    if (address) commands += deletion(*address);
                }
            }
        }
        return commands;
    }

    static std::string deletion(const Network &address) {
        return std::string("delete element ") + table + " " + map_of(address) + " { " + address.address() + " }\n";
    }

    void list_base() const {
        const char *text = nullptr;
        present(nft->query(&call, (std::string("list chain ") + table + " " + base).c_str(), &text));
    }

private:
    const catena_call &call;
    const catena_nft *nft;

    static bool present(int32_t status) {
        if (status == CATENA_NFT_ABSENT) return false;
        require(status);
        return true;
    }
};

// The addresses that the result so far gives to the container's interface.
std::vector<Network> addresses(const catena_call &call) {
    std::vector<Network> found;
    const catena_result *result = call.prev_result;
    for (uint32_t index = 0; result && index < result->ip_count; index++) {
        const catena_ip &ip = *result->ips[index];
        if (ip.interface_index >= 0) {
            const catena_interface &interface = *result->interfaces[ip.interface_index];
            if (!interface.sandbox || std::strcmp(interface.name, call.ifname) != 0) continue;
        }
        if (const auto address = Network::parse(ip.address, false)) found.push_back(*address);
    }
    return found;
}

// ---- Operations ----

void add(const catena_call &call) {
    const auto list = destinations(call);
    if (!call.prev_result)
        throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, "prevResult: is missing", "chain this plugin behind one that makes an interface");
    const auto own = addresses(call);
    if (own.empty()) throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, std::string("prevResult: ") + call.ifname + " has no address to go by");
    const Nft nft(call);
    if (!nft.has_chain(base)) nft.queue(skeleton, "set up table deny_egress");
    if (!nft.has_chain(chain_of(list))) nft.queue(chain_commands(list), "set up the list of destinations");
    std::string commands;
    for (const Network &address : own) {
        // IPAM gave the address to this container: what another one left there is stale.
        if (nft.element(address)) commands += Nft::deletion(address);
        commands += std::string("add element ") + table + " " + map_of(address) + " { " + address.address() + " comment \"" + owner(call) +
                    "\" : goto " + chain_of(list) + " }\n";
    }
    nft.queue(commands, "deny destinations");
    call.host->log(&call, CATENA_LOG_INFO, ("denied " + std::to_string(list.size()) + " destinations").c_str());
}

// The configuration does not count: what is there is known by its owner.
void del(const catena_call &call) {
    const Nft nft(call);
    const std::string ours = owner(call);
    const auto own = addresses(call);
    std::string commands;
    for (const Network &address : own)
        if (nft.element(address) == ours) commands += Nft::deletion(address);
    if (own.empty()) commands = nft.deletions([&](const std::string &comment) { return comment == ours; });
    nft.queue(commands, "allow destinations");
}

void check(const catena_call &call) {
    const auto list = destinations(call);
    if (!call.prev_result) throw Failure(CATENA_ERROR_INVALID_CONFIGURATION, "prevResult: is missing", "CHECK needs the result of ADD");
    const Nft nft(call);
    std::string missing;
    for (const std::string &chain : {base, chain_of(list)})
        if (!nft.has_chain(chain)) missing += ", chain " + chain;
    for (const Network &address : addresses(call))
        if (nft.element(address) != owner(call)) missing += ", an element for " + address.address();
    if (!missing.empty())
        throw Failure(CATENA_ERROR_INTERNAL, std::string("check ") + call.container_id + ": nftables " + table + ": expected " + missing.substr(2));
}

void gc(const catena_call &call) {
    const Nft nft(call);
    std::vector<std::string> valid;
    for (uint32_t index = 0; index < call.valid_attachment_count; index++)
        valid.push_back(owner(call.network, call.valid_attachments[index]->container_id, call.valid_attachments[index]->ifname));
    const std::string prefix = std::string(call.network) + "/";
    nft.queue(nft.deletions([&](const std::string &comment) {
        if (comment.compare(0, prefix.size(), prefix) != 0) return false;
        for (const std::string &owner : valid)
            if (owner == comment) return false;
        return true;
    }), "allow destinations of containers that are gone");
}

// Whether nftables can be used: the kernel and libnftables have to answer, whatever the answer.
void status(const catena_call &call) {
    destinations(call);
    try {
        const Nft nft(call);
        nft.has_chain(base);
        nft.list_base();
    } catch (const Stated &) {
        const char *message = "", *details = "";
        call.host->failure(&call, nullptr, &message, &details);
        throw Failure(CATENA_ERROR_NOT_AVAILABLE, message, details);
    }
}

const char schema[] = R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "deny-egress",
  "type": "object",
  "properties": {
    "type": { "const": "deny-egress" },
    "destinations": {
      "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "addresses and networks that are not to be reached"
    }
  },
  "required": ["destinations"]
})";

const char *const versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", nullptr};

catena_module make_module() {
    catena_module module{};
    module.size = sizeof module;
    module.abi_major = CATENA_ABI_MAJOR;
    module.kind = CATENA_KIND_META;
    module.type = "deny-egress";
    module.version = "1.0.0";
    module.description = "drops what the container sends to certain destinations";
    module.cni_versions = versions;
    module.schema = schema;
    module.add = guarded<add>;
    module.del = guarded<del>;
    module.check = guarded<check>;
    module.gc = guarded<gc>;
    module.status = guarded<status>;
    return module;
}

} // namespace

extern "C" CATENA_EXPORT const catena_module *catena_module_entry(uint32_t host_abi_major) {
    static const catena_module module = make_module();
    return host_abi_major == CATENA_ABI_MAJOR ? &module : nullptr;
}
