import CNI
import DHCP
import JSON
import State

/// What the daemon has to know to get a lease, and to keep it.
public struct LeaseRequest: Equatable, Sendable {
    /// What to do when a lease that was in use is replaced by one with another address, gateway or route, or is lost.
    public enum Change: String, Sendable {
        /// Give the interface what the new lease says.
        case apply
        /// Give the lease back, take its address from the interface, and tell.
        case release
    }

    /// What the lease is known by.
    public var key: LeaseKey
    /// The path of the network namespace, as the runtime knows it.
    public var netns: String
    /// The value of option 61.
    public var clientIdentifier: [UInt8]
    /// Options to send.
    public var provided: [DHCPOptions.Entry] = []
    /// Options to ask for.
    public var requested: [UInt8] = []
    /// The metric of the result's routes; nil for the kernel's.
    public var priority: Int?
    /// Whether servers have to broadcast; nil leaves it to the daemon.
    public var broadcast: Bool?
    /// How long to probe an offered address, in milliseconds; 0 for not at all.
    public var probe = LeaseRequest.defaultProbe
    /// What to do when the lease changes.
    public var change = Change.apply

    /// Whether an IPv4 address is to be got.
    public var ipv4 = true
    /// What IPv6 addresses are to be got; nil for none.
    public var ipv6: IPv6Request?

    /// How long an offered address is probed where nothing else is configured, in milliseconds.
    public static let defaultProbe = 300

    /// A request with the usual settings.
    public init(key: LeaseKey, netns: String, clientIdentifier: [UInt8]) {
        self.key = key
        self.netns = netns
        self.clientIdentifier = clientIdentifier
    }

    /// Reads what ``json`` writes. Throws where it is something else.
    public init(_ reader: ConfigReader) throws(CNIError) {
        self.init(
            key: try LeaseKey(reader), netns: try reader.string("netns") ?? "",
            clientIdentifier: try LeaseRequest.bytes(reader, "clientIdentifier"))
        provided = try reader.objects("provide").map { (option) throws(CNIError) in
            DHCPOptions.Entry(try LeaseRequest.code(option.integer("option") ?? 0), try LeaseRequest.bytes(option, "value"))
        }
        requested = try LeaseRequest.bytes(reader, "request")
        priority = try reader.unsigned("priority")
        broadcast = try reader.optionalBool("broadcast")
        probe = min(try reader.unsigned("probe") ?? LeaseRequest.defaultProbe, 60_000)
        change = Change(rawValue: try reader.string("change") ?? "") ?? .apply
        ipv4 = try reader.optionalBool("ipv4") ?? true
        ipv6 = try reader.object("ipv6").map { (object) throws(CNIError) in try IPv6Request(object) }
        if !ipv4 && ipv6 == nil { throw CNIError(.decodingFailure, "neither IPv4 nor IPv6 is asked for") }
    }

    private static func code(_ number: Int) throws(CNIError) -> UInt8 {
        guard let code = UInt8(exactly: number), code != DHCPOption.pad, code != DHCPOption.end else {
            throw CNIError(.decodingFailure, "option \(number) can't be sent")
        }
        return code
    }

    /// The families to get a lease of.
    public var families: [IPAddress.Family] { (ipv4 ? [.v4] : []) + (ipv6 == nil ? [] : [.v6]) }

    static func bytes(_ reader: ConfigReader, _ key: String) throws(CNIError) -> [UInt8] {
        guard let bytes = Base64.decode(try reader.string(key) ?? "") else { throw reader.invalid(key, "is no Base64") }
        return bytes
    }

    /// As a JSON object.
    public var json: JSONObject {
        var object = key.json
        object["netns"] = .string(netns)
        object["clientIdentifier"] = .string(Base64.encode(clientIdentifier))
        object["provide"] = .array(
            provided.map { .object(JSONObject([("option", .integer(Int64($0.code))), ("value", .string(Base64.encode($0.value)))])) })
        object["request"] = .string(Base64.encode(requested))
        if let priority { object["priority"] = .integer(Int64(priority)) }
        if let broadcast { object["broadcast"] = .bool(broadcast) }
        object["probe"] = .integer(Int64(probe))
        object["change"] = .string(change.rawValue)
        if !ipv4 { object["ipv4"] = .bool(false) }
        if let ipv6 { object["ipv6"] = .object(ipv6.json) }
        return object
    }
}
