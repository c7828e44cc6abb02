import ModuleKit

/// Reads a file like resolv.conf(5) into DNS settings.
enum ResolverFile {
    /// Reads the file at `path`.
    static func read(_ path: String) throws(CNIError) -> CNIResult.DNS {
        do throws(Errno) {
            return parse(try File.readText(path, limit: 1 << 20))
        } catch {
            throw CNIError(.ioFailure, "read resolvConf \(path): \(error.text)", details: "correct ipam.resolvConf, or leave it out")
        }
    }

    /// As the reference does: `#` and `;` begin comment lines, of several `domain` lines the last counts, `search` and `options` add up.
    static func parse(_ text: String) -> CNIResult.DNS {
        var dns = CNIResult.DNS()
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let words = line.split { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0d) }.map { String(Substring($0)) }
            guard words.count >= 2, let first = words[0].utf8.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";") else {
                continue
            }
            switch words[0] {
            case "nameserver": dns.nameservers.append(words[1])
            case "domain": dns.domain = words[1]
            case "search": dns.search += words[1...]
            case "options": dns.options += words[1...]
            default: break
            }
        }
        return dns
    }
}
