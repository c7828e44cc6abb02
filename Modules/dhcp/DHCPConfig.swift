import CLinux
import DHCP
import DHCPSocket
import ModuleKit

/// The configuration of dhcp, checked: the keys under `ipam`.
struct DHCPConfig {
    /// Where the daemon listens.
    let socketPath: String
    private let provided: [DHCPOptions.Entry]
    private let requested: [UInt8]
    private let priority: Int?
    private let broadcast: Bool?
    private let probe: Int
    private let change: LeaseRequest.Change
    private let usesUniqueIdentifier: Bool
    private let wantsIPv4: Bool
    private let ipv6: IPv6ClientSettings.Mode?
    private let rapidCommit: Bool

    /// What is asked for unless an entry of `request` has `skipDefault`. Option 121 goes before 33 and 3: RFC 3442.
    static let defaultRequest = [
        DHCPOption.subnetMask, DHCPOption.classlessRoutes, DHCPOption.staticRoutes, DHCPOption.routers, DHCPOption.nameServers,
        DHCPOption.domainName, DHCPOption.interfaceMTU, DHCPOption.timeServers, DHCPOption.domainSearch,
    ]

    /// - Parameter arguments: CNI_ARGS. As in the reference, each part is split at its first `=`, and one without is passed over.
    init(_ config: ConfigReader, arguments: String) throws(CNIError) {
        let ipam = try config.object("ipam") ?? ConfigReader(JSONObject(), at: "ipam")
        socketPath = try DHCPConfig.socketPath(config)
        provided = try DHCPConfig.provided(ipam, arguments)
        requested = try DHCPConfig.requested(ipam)
        let priority = try ipam.unsigned("priority") ?? 0
        self.priority = priority == 0 ? nil : priority
        broadcast = try ipam.optionalBool("broadcast")
        probe = try ipam.unsigned("probe") ?? LeaseRequest.defaultProbe
        if probe > 60_000 { throw ipam.invalid("probe", "must be from 0 to 60000 milliseconds, is \(probe)") }
        change = try DHCPConfig.choice(ipam, "onChange", [("apply", .apply), ("release", .release)]) ?? .apply
        usesUniqueIdentifier = try DHCPConfig.choice(ipam, "clientIdentifier", [("attachment", false), ("duid", true)]) ?? false
        wantsIPv4 = try DHCPConfig.choice(ipam, "ipv4", [("dhcp", true), ("none", false)]) ?? true
        ipv6 = try DHCPConfig.choice(ipam, "ipv6", [("none", nil), ("dhcp", .dhcp), ("slaac", .slaac), ("auto", .auto)]) ?? nil
        rapidCommit = try ipam.bool("rapidCommit")
        if !wantsIPv4 && ipv6 == nil { throw ipam.invalid("ipv6", "must be \"dhcp\", \"slaac\" or \"auto\" where ipv4 is \"none\"") }
    }

    /// Reads where the daemon listens, and nothing else: enough to give a lease back, whatever became of the rest of the configuration.
    static func socketPath(_ config: ConfigReader) throws(CNIError) -> String {
        let ipam = config.value("ipam")?.object.map { ConfigReader($0, at: "ipam") }
        return try ipam?.nonEmpty("daemonSocketPath") ?? DaemonConnection.defaultPath
    }

    private static func choice<T>(_ reader: ConfigReader, _ key: String, _ choices: [(word: String, value: T)]) throws(CNIError) -> T? {
        guard let word = try reader.nonEmpty(key) else { return nil }
        for choice in choices where choice.word == word { return choice.value }
        throw reader.invalid(key, "expected \(choices.map { "\"\($0.word)\"" }.joined(separator: " or ")), found \"\(word)\"")
    }

    // MARK: Options

    private static let names: [(name: String, code: UInt8)] = [
        ("subnet-mask", DHCPOption.subnetMask), ("routers", DHCPOption.routers), ("host-name", DHCPOption.hostName),
        ("vendor-class-identifier", DHCPOption.vendorClass), ("dhcp-client-identifier", DHCPOption.clientIdentifier),
        ("user-class", DHCPOption.userClass),
    ]

    /// An option's number: by its name, or in decimal.
    private static func code(_ reader: ConfigReader, _ text: String) throws(CNIError) -> UInt8 {
        for known in names where known.name == text { return known.code }
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
        if isNumber, let code = UInt8(text), code != DHCPOption.pad, code != DHCPOption.end { return code }
        throw reader.invalid(
            "option", "expected a number from 1 to 254 or one of \(names.map { $0.name }.joined(separator: ", ")), found \"\(text)\"")
    }

    private static func provided(_ ipam: ConfigReader, _ arguments: String) throws(CNIError) -> [DHCPOptions.Entry] {
        let pairs = pairs(arguments)
        var entries: [DHCPOptions.Entry] = []
        for item in try ipam.objects("provide") {
            let code = try code(item, try item.string("option") ?? "")
            var value = try item.string("value")
            if let name = try item.nonEmpty("fromArg") { value = pairs.last { $0.key == name }?.value }
            guard let value, !value.isEmpty else { continue }
            if value.utf8.count > 255 { throw item.invalid("value", "must be 255 bytes or less, is \(value.utf8.count)") }
            entries.append(DHCPOptions.Entry(code, Array(value.utf8)))
        }
        return entries
    }

    private static func pairs(_ arguments: String) -> [(key: String, value: String)] {
        arguments.utf8.split(separator: UInt8(ascii: ";")).compactMap { part in
            guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            return (String(Substring(part[..<equals])), String(Substring(part[part.index(after: equals)...])))
        }
    }

    private static func requested(_ ipam: ConfigReader) throws(CNIError) -> [UInt8] {
        var codes: [UInt8] = []
        var skipsDefault = false
        for item in try ipam.objects("request") {
            let skips = try item.bool("skipDefault")
            skipsDefault = skipsDefault || skips
            let text = try item.string("option") ?? ""
            if !text.isEmpty || !skips { codes.append(try code(item, text)) }
        }
        let all = (skipsDefault ? [] : defaultRequest) + codes
        var unique: [UInt8] = []
        for code in all where !unique.contains(code) { unique.append(code) }
        // As the reference's library does: asking for nothing would leave it to the server.
        return unique.isEmpty ? [DHCPOption.subnetMask, DHCPOption.routers, DHCPOption.domainName, DHCPOption.nameServers] : unique
    }

    // MARK: The request

    /// What the daemon is asked for.
    func request(_ call: ModuleCall) throws(CNIError) -> LeaseRequest {
        let key = try LeaseKey(network: call.network, containerID: call.containerID, interfaceName: call.interfaceName)
        var request = LeaseRequest(key: key, netns: DHCPConfig.absolute(call.netns), clientIdentifier: identifier(key))
        request.provided = provided.filter { $0.code != DHCPOption.clientIdentifier }
        request.requested = requested
        request.priority = priority
        request.broadcast = broadcast
        request.probe = probe
        request.change = change
        request.ipv4 = wantsIPv4
        request.ipv6 = ipv6.map {
            IPv6Request(
                $0, clientIdentifier: UniqueIdentifier.duid(key), association: UniqueIdentifier.association(key), rapidCommit: rapidCommit)
        }
        return request
    }

    /// The value of option 61: what is provided, as it is; else the attachment as the reference writes it, type 0 before it; or, opted
    /// for, the identifier of RFC 4361: type 255, IAID, DUID.
    func identifier(_ key: LeaseKey) -> [UInt8] {
        if let own = provided.last(where: { $0.code == DHCPOption.clientIdentifier }) { return own.value }
        if usesUniqueIdentifier { return [255] + UniqueIdentifier.iaid(key) + UniqueIdentifier.duid(key) }
        return [0] + Array("\(key.containerID)/\(key.network)/\(key.interfaceName)".utf8.prefix(254))
    }

    private static func absolute(_ path: String) -> String {
        guard path.utf8.first != UInt8(ascii: "/"), let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
