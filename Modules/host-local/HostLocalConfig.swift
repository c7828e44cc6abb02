import ModuleKit

/// The configuration of host-local, checked.
struct HostLocalConfig {
    /// Where the reservations are.
    let location: StoreLocation
    /// The range sets in the order that numbers them: of the runtime, of the old single range, of `ranges`.
    let sets: [RangeSet]
    /// The addresses asked for, each once, in the order CNI_ARGS, `args.cni.ips`, `runtimeConfig.ips`.
    let requested: [IPAddress]
    /// Goes into the result as it is.
    let routes: [CNIResult.Route]
    /// A file like resolv.conf(5) to read DNS settings from.
    let resolverFile: String?

    /// Reads the configuration of the plugin that delegates to this one.
    ///
    /// `config` is the whole of it; this module's own keys are in `ipam`. `cniVersion` counts because before 0.3.0 a result holds one
    /// address of a family.
    init(_ config: ConfigReader, network: String, cniVersion: String, arguments: CNIArguments) throws(CNIError) {
        location = try StoreLocation(config, network: network)
        guard let ipam = try config.object("ipam") else {
            throw CNIError(.invalidConfiguration, "IPAM config missing 'ipam' key", details: "add \"ipam\": {\"type\": \"host-local\", …}")
        }
        let runtime = try config.object("runtimeConfig")
        requested = try HostLocalConfig.requestedAddresses(config, runtime, arguments)
        sets = try HostLocalConfig.rangeSets(ipam, runtime)
        routes = try ResultFormat.decodeRoutes(ipam)
        let file = try ipam.string("resolvConf") ?? ""
        resolverFile = file.isEmpty ? nil : file
        try HostLocalConfig.checkVersion(sets, cniVersion)
        try HostLocalConfig.checkOverlaps(sets)
    }

    // MARK: Addresses asked for

    private static func requestedAddresses(
        _ config: ConfigReader, _ runtime: ConfigReader?, _ arguments: CNIArguments
    ) throws(CNIError) -> [IPAddress] {
        try arguments.require(only: ["IP"])
        var found: [IPAddress] = []
        if let text = arguments["IP"], !text.isEmpty {
            guard let address = address(text) else {
                throw CNIError(
                    .invalidEnvironment, "CNI_ARGS: invalid IP address \(text)", details: "expected IP=10.1.0.5 or IP=10.1.0.5/24")
            }
            found.append(address)
        }
        let cni = try config.object("args")?.object("cni")
        for reader in [cni, runtime] {
            guard let reader else { continue }
            for text in try reader.strings("ips") {
                guard let address = address(text) else {
                    throw reader.invalid("ips", "invalid IP address \"\(text)\", expected 10.1.0.5 or 10.1.0.5/24")
                }
                found.append(address)
            }
        }
        var unique: [IPAddress] = []
        for address in found where !unique.contains(address) { unique.append(address) }
        return unique
    }

    /// "10.1.0.5" or "10.1.0.5/24": the prefix length is left aside, the range's counts.
    private static func address(_ text: String) -> IPAddress? { IPAddress(text) ?? IPNetwork(text)?.address }

    // MARK: Range sets

    private static func rangeSets(_ ipam: ConfigReader, _ runtime: ConfigReader?) throws(CNIError) -> [RangeSet] {
        var sources: [(place: String, ranges: [ConfigReader])] = []
        if let runtime { sources += try setReaders(runtime, "ipRanges") }
        if try ipam.network("subnet") != nil { sources.append(("ipam", [ipam])) }
        sources += try setReaders(ipam, "ranges")
        guard !sources.isEmpty else {
            throw CNIError(
                .invalidConfiguration, "no IP ranges specified",
                details: "set ipam.ranges, ipam.subnet, or the capability ipRanges with ranges from the runtime")
        }
        var sets: [RangeSet] = []
        for (index, source) in sources.enumerated() {
            do throws(CNIError) {
                var ranges: [AddressRange] = []
                for reader in source.ranges { ranges.append(try AddressRange(reader)) }
                sets.append(try RangeSet(ranges))
            } catch {
                if error.code != .invalidConfiguration { throw error }
                throw CNIError(error.code, "invalid range set \(index): \(error.message)", details: "see \(source.place)")
            }
        }
        return sets
    }

    /// The range sets under a key: a list of lists of objects.
    private static func setReaders(_ reader: ConfigReader, _ key: String) throws(CNIError) -> [(place: String, ranges: [ConfigReader])] {
        var sets: [(place: String, ranges: [ConfigReader])] = []
        for (index, item) in (try reader.array(key) ?? []).enumerated() {
            let name = "\(key)[\(index)]"
            guard let items = item.array else { throw reader.mismatch(name, "a list of ranges", item) }
            var ranges: [ConfigReader] = []
            for (position, range) in items.enumerated() {
                guard let object = range.object else { throw reader.mismatch("\(name)[\(position)]", "an object", range) }
                ranges.append(ConfigReader(object, at: reader.path("\(name)[\(position)]")))
            }
            sets.append((reader.path(name), ranges))
        }
        return sets
    }

    private static func checkVersion(_ sets: [RangeSet], _ text: String) throws(CNIError) {
        guard let version = CNIVersion(text), version < CNIVersion(0, 3, 0) else { return }
        for family in [IPAddress.Family.v4, .v6] where sets.filter({ $0.family == family }).count > 1 {
            throw CNIError(
                .invalidConfiguration, "CNI version \(version.text) does not support more than 1 address per family",
                details: "use cniVersion 0.3.0 or later, or one range set for each family")
        }
    }

    private static func checkOverlaps(_ sets: [RangeSet]) throws(CNIError) {
        for (index, set) in sets.enumerated() {
            for (other, earlier) in sets[..<index].enumerated() where earlier.overlaps(set) {
                throw CNIError(
                    .invalidConfiguration, "range set \(other) overlaps with \(index)", details: "\(earlier.text) and \(set.text)")
            }
        }
    }
}
