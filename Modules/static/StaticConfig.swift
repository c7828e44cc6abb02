import ModuleKit

/// The configuration of static, checked.
struct StaticConfig {
    /// The addresses that count: where the runtime gives some, those alone.
    let ips: [CNIResult.IP]
    /// Goes into the result as it is.
    let routes: [CNIResult.Route]
    /// Goes into the result as it is.
    let dns: CNIResult.DNS
    /// Gateways of CNI_ARGS that lie in the network of no address.
    let strayGateways: [IPAddress]

    /// Reads the configuration of the plugin that delegates to this one: the module's own keys are in `ipam`.
    ///
    /// `cniVersion` counts because before 0.3.0 a result holds one address of a family.
    init(_ config: ConfigReader, cniVersion: String, arguments: CNIArguments) throws(CNIError) {
        guard let ipam = try config.object("ipam") else {
            throw CNIError(.invalidConfiguration, "IPAM config missing 'ipam' key", details: "add \"ipam\": {\"type\": \"static\", …}")
        }
        try arguments.require(only: ["IP", "GATEWAY"])
        var found = try StaticConfig.configured(ipam)
        for text in StaticConfig.list(arguments["IP"]) {
            guard let address = IPNetwork(text) else {
                throw CNIError(
                    .invalidEnvironment, "CNI_ARGS: IP: \"\(text)\" is no address with prefix length", details: "expected IP=10.1.0.5/24")
            }
            found.append(CNIResult.IP(address: address))
        }
        for reader in [try config.object("args")?.object("cni"), try config.object("runtimeConfig")] {
            guard let reader, let given = try StaticConfig.given(reader) else { continue }
            found = given
        }
        var unique: [CNIResult.IP] = []
        for ip in found where !unique.contains(where: { $0.address == ip.address }) { unique.append(ip) }
        strayGateways = try StaticConfig.setGateways(of: &unique, arguments)
        ips = unique
        routes = try ResultFormat.decodeRoutes(ipam)
        dns = try ResultFormat.decodeDNS(ipam)
        try StaticConfig.checkVersion(ips, cniVersion)
    }

    private static func configured(_ ipam: ConfigReader) throws(CNIError) -> [CNIResult.IP] {
        var found: [CNIResult.IP] = []
        for reader in try ipam.objects("addresses") {
            found.append(CNIResult.IP(address: try reader.requiredNetwork("address"), gateway: try reader.address("gateway")))
        }
        return found
    }

    /// The addresses under a key `ips`, which take the place of all others; nil where there are none.
    private static func given(_ reader: ConfigReader) throws(CNIError) -> [CNIResult.IP]? {
        var found: [CNIResult.IP] = []
        for (index, text) in try reader.strings("ips").enumerated() {
            guard let address = IPNetwork(text) else {
                throw reader.invalid("ips[\(index)]", "expected an address with prefix length (10.1.0.5/24), found \"\(text)\"")
            }
            found.append(CNIResult.IP(address: address))
        }
        return found.isEmpty ? nil : found
    }

    /// Gives each address the gateway of CNI_ARGS that lies in its network, and returns those that lie in none.
    private static func setGateways(of ips: inout [CNIResult.IP], _ arguments: CNIArguments) throws(CNIError) -> [IPAddress] {
        var stray: [IPAddress] = []
        for text in list(arguments["GATEWAY"]) {
            guard let gateway = IPAddress(text) else {
                throw CNIError(.invalidEnvironment, "CNI_ARGS: invalid gateway address \"\(text)\"", details: "expected GATEWAY=10.1.0.1")
            }
            let matching = ips.indices.filter { ips[$0].address.contains(gateway) }
            for index in matching { ips[index].gateway = gateway }
            if matching.isEmpty { stray.append(gateway) }
        }
        return stray
    }

    /// The parts of a list with commas, without spaces around them.
    private static func list(_ text: String?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        return text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { part in
            let words = part.split(separator: UInt8(ascii: " "))
            return words.count == 1 ? String(Substring(words[0])) : String(Substring(part))
        }
    }

    private static func checkVersion(_ ips: [CNIResult.IP], _ text: String) throws(CNIError) {
        guard let version = CNIVersion(text), version < CNIVersion(0, 3, 0) else { return }
        for family in [IPAddress.Family.v4, .v6] where ips.filter({ $0.address.address.family == family }).count > 1 {
            throw CNIError(
                .invalidConfiguration, "CNI version \(version.text) does not support more than 1 address per family",
                details: "use cniVersion 0.3.0 or later, or one address of each family")
        }
    }
}
