import JSON

/// Results as JSON, in the form of each CNI version.
///
/// The reference's conversions, as the specification checklist lists them (S44 to S54), are kept: what an older form can't hold is dropped.
public enum ResultFormat {
    // MARK: Writing

    /// The result as `version` prints it. Throws where the version is unknown, or (before 0.3.0) where there is no address to print.
    public static func encode(_ result: CNIResult, version text: String) throws(CNIError) -> JSON {
        let name = text.isEmpty ? "0.1.0" : text
        guard CNIVersion.released.contains(name), let version = CNIVersion(name) else {
            throw CNIError(.incompatibleVersion, "no converter to CNI result version \(name)")
        }
        var object: JSONObject
        switch version.family {
        case .single: object = try encodeSingle(result)
        case .listed: object = encodeLists(result, addressVersion: true)
        case .current: object = encodeLists(result, addressVersion: false)
        }
        var members = JSONObject([("cniVersion", .string(name))])
        for member in object.members + result.extra.members { members[member.key] = member.value }
        return .object(members)
    }

    private static func encodeLists(_ result: CNIResult, addressVersion: Bool) -> JSONObject {
        var object = JSONObject()
        if !result.interfaces.isEmpty {
            object["interfaces"] = .array(result.interfaces.map { encode($0, extended: !addressVersion) })
        }
        if !result.ips.isEmpty { object["ips"] = .array(result.ips.map { encode($0, addressVersion: addressVersion) }) }
        if !result.routes.isEmpty { object["routes"] = .array(result.routes.map(encode)) }
        // The older forms always print the member; 1.x leaves an empty one out.
        if addressVersion || !result.dns.isEmpty { object["dns"] = encode(result.dns) }
        return object
    }

    private static func encodeSingle(_ result: CNIResult) throws(CNIError) -> JSONObject {
        var object = JSONObject()
        for family in [IPAddress.Family.v4, .v6] {
            guard let ip = result.ips.first(where: { $0.address.address.family == family }) else { continue }
            var config = JSONObject([("ip", .string(ip.address.text))])
            if let gateway = ip.gateway { config["gateway"] = .string(gateway.text) }
            let routes = result.routes.filter { $0.destination.address.family == family }
            if !routes.isEmpty {
                config["routes"] = .array(routes.map { encode(CNIResult.Route(destination: $0.destination, gateway: $0.gateway)) })
            }
            object[family == .v4 ? "ip4" : "ip6"] = .object(config)
        }
        if object.members.isEmpty { throw CNIError("cannot convert: no valid IP addresses") }
        object["dns"] = encode(result.dns)
        return object
    }

    private static func encode(_ interface: CNIResult.Interface, extended: Bool) -> JSON {
        var object = JSONObject([("name", .string(interface.name))])
        if let mac = interface.mac, !mac.isEmpty { object["mac"] = .string(mac) }
        if extended, let mtu = interface.mtu, mtu != 0 { object["mtu"] = .integer(Int64(mtu)) }
        if let sandbox = interface.sandbox, !sandbox.isEmpty { object["sandbox"] = .string(sandbox) }
        if extended, let path = interface.socketPath, !path.isEmpty { object["socketPath"] = .string(path) }
        if extended, let pciID = interface.pciID, !pciID.isEmpty { object["pciID"] = .string(pciID) }
        return .object(object)
    }

    private static func encode(_ ip: CNIResult.IP, addressVersion: Bool) -> JSON {
        var object = JSONObject()
        if addressVersion { object["version"] = .string(ip.address.address.family == .v4 ? "4" : "6") }
        if let interface = ip.interface { object["interface"] = .integer(Int64(interface)) }
        object["address"] = .string(ip.address.text)
        if let gateway = ip.gateway { object["gateway"] = .string(gateway.text) }
        return .object(object)
    }

    private static func encode(_ route: CNIResult.Route) -> JSON {
        var object = JSONObject([("dst", .string(route.destination.text))])
        if let gateway = route.gateway { object["gw"] = .string(gateway.text) }
        if let mtu = route.mtu, mtu != 0 { object["mtu"] = .integer(Int64(mtu)) }
        if let mss = route.advertisedMSS, mss != 0 { object["advmss"] = .integer(Int64(mss)) }
        if let priority = route.priority, priority != 0 { object["priority"] = .integer(Int64(priority)) }
        if let table = route.table { object["table"] = .integer(Int64(table)) }
        if let scope = route.scope { object["scope"] = .integer(Int64(scope)) }
        return .object(object)
    }

    /// DNS settings as JSON: the same in every version.
    public static func encode(_ dns: CNIResult.DNS) -> JSON {
        var object = JSONObject()
        if !dns.nameservers.isEmpty { object["nameservers"] = .array(dns.nameservers.map { .string($0) }) }
        if let domain = dns.domain, !domain.isEmpty { object["domain"] = .string(domain) }
        if !dns.search.isEmpty { object["search"] = .array(dns.search.map { .string($0) }) }
        if !dns.options.isEmpty { object["options"] = .array(dns.options.map { .string($0) }) }
        return .object(object)
    }

    // MARK: Reading

    /// Reads a result of any version. `defaultVersion` counts where the result does not tell its own, as a delegate may leave it out.
    ///
    /// Lenient as the field's plugins need it: interfaces may be missing, a sandbox odd, an interface index absent.
    public static func decode(_ json: JSON, defaultVersion: String) throws(CNIError) -> CNIResult {
        if json.isNull { return CNIResult() }
        guard let object = json.object else { throw CNIError(.decodingFailure, "decode result: expected an object, found \(json.kind)") }
        let reader = ConfigReader(object, at: "")
        var name = try reader.string("cniVersion") ?? ""
        if name.isEmpty { name = defaultVersion.isEmpty ? "0.1.0" : defaultVersion }
        guard CNIVersion.released.contains(name), let version = CNIVersion(name) else {
            throw CNIError(.incompatibleVersion, "unsupported CNI result version \"\(name)\"")
        }
        var result = CNIResult()
        if version.family == .single {
            try decodeSingle(reader, into: &result)
        } else {
            result.interfaces = try reader.objects("interfaces").map(decodeInterface)
            result.ips = try reader.objects("ips").map(decodeIP)
            result.routes = try decodeRoutes(reader)
        }
        result.dns = try decodeDNS(reader)
        for member in object.members where !known.contains(member.key.lowercased()) { result.extra[member.key] = member.value }
        return result
    }

    private static let known = ["cniversion", "interfaces", "ips", "routes", "dns", "ip4", "ip6"]

    private static func decodeSingle(_ reader: ConfigReader, into result: inout CNIResult) throws(CNIError) {
        for key in ["ip4", "ip6"] {
            guard let config = try reader.object(key) else { continue }
            result.ips.append(CNIResult.IP(address: try config.requiredNetwork("ip"), gateway: try config.address("gateway")))
            result.routes += try decodeRoutes(config)
        }
    }

    private static func decodeInterface(_ reader: ConfigReader) throws(CNIError) -> CNIResult.Interface {
        CNIResult.Interface(
            name: try reader.string("name") ?? "", mac: try reader.string("mac"), mtu: try reader.integer("mtu"),
            sandbox: try reader.string("sandbox"), socketPath: try reader.string("socketPath"), pciID: try reader.string("pciID"))
    }

    private static func decodeIP(_ reader: ConfigReader) throws(CNIError) -> CNIResult.IP {
        CNIResult.IP(
            address: try reader.requiredNetwork("address"), gateway: try reader.address("gateway"),
            interface: try reader.integer("interface"))
    }

    /// Reads the list of routes under the key `routes`: in results and in IPAM configurations alike.
    public static func decodeRoutes(_ reader: ConfigReader) throws(CNIError) -> [CNIResult.Route] {
        try reader.objects("routes").map { (route) throws(CNIError) in
            CNIResult.Route(
                destination: try route.requiredNetwork("dst"), gateway: try route.address("gw"), mtu: try route.unsigned("mtu"),
                advertisedMSS: try route.unsigned("advmss"), priority: try route.unsigned("priority"), table: try route.unsigned("table"),
                scope: try route.unsigned("scope"))
        }
    }

    /// Reads the DNS settings under the key `dns`: in results and in plugin configurations alike.
    public static func decodeDNS(_ reader: ConfigReader) throws(CNIError) -> CNIResult.DNS {
        guard let dns = try reader.object("dns") else { return CNIResult.DNS() }
        return CNIResult.DNS(
            nameservers: try dns.strings("nameservers"), domain: try dns.string("domain"), search: try dns.strings("search"),
            options: try dns.strings("options"))
    }
}
