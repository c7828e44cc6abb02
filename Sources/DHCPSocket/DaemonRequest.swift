import CNI
import JSON

/// What the daemon can be asked over its socket: docs/dhcp.md has the protocol.
public enum DaemonRequest: Equatable, Sendable {
    /// Get a lease. The answer waits until there is one; a connection that closes before takes the request back.
    case allocate(LeaseRequest)
    /// Give a lease back; one that is not known is no error.
    case release(LeaseKey)
    /// Whether there is a lease, and of which address.
    case check(LeaseKey)
    /// Give back all leases of a network that none of these holds.
    case collect(network: String, valid: [Attachment])
    /// Whether the daemon is there.
    case status
    /// All leases.
    case leases
    /// Counters, in the text format of Prometheus.
    case metrics

    /// The protocol's version, in every request. A daemon refuses a newer one.
    public static let version = 1

    /// Reads a request. Throws where it is none.
    public init(_ json: JSON) throws(CNIError) {
        guard let object = json.object else { throw CNIError(.decodingFailure, "decode request: expected an object, found \(json.kind)") }
        let reader = ConfigReader(object)
        let version = try reader.integer("version") ?? 0
        guard version == DaemonRequest.version else {
            throw CNIError(.incompatibleVersion, "version \(version) of the protocol: this daemon speaks version \(DaemonRequest.version)")
        }
        let command = try reader.string("command") ?? ""
        switch command {
        case "allocate": self = .allocate(try LeaseRequest(reader))
        case "release": self = .release(try LeaseKey(reader))
        case "check": self = .check(try LeaseKey(reader))
        case "collect":
            let network = try reader.string("network") ?? ""
            try Names.checkNetwork(network)
            let valid = try reader.objects("valid").map { (item) throws(CNIError) in
                Attachment(containerID: try item.string("containerID") ?? "", interfaceName: try item.string("ifname") ?? "")
            }
            self = .collect(network: network, valid: valid)
        case "status": self = .status
        case "leases": self = .leases
        case "metrics": self = .metrics
        default: throw CNIError(.decodingFailure, "unknown command \"\(command)\"")
        }
    }

    /// As a JSON object.
    public var json: JSONObject {
        var object = JSONObject([("version", .integer(Int64(DaemonRequest.version))), ("command", .string(command))])
        for member in arguments.members { object[member.key] = member.value }
        return object
    }

    /// The command's name.
    public var command: String {
        switch self {
        case .allocate: "allocate"
        case .release: "release"
        case .check: "check"
        case .collect: "collect"
        case .status: "status"
        case .leases: "leases"
        case .metrics: "metrics"
        }
    }

    private var arguments: JSONObject {
        switch self {
        case .allocate(let request): return request.json
        case .release(let key), .check(let key): return key.json
        case .collect(let network, let valid):
            let items = valid.map { item -> JSON in
                .object(JSONObject([("containerID", .string(item.containerID)), ("ifname", .string(item.interfaceName))]))
            }
            return JSONObject([("network", .string(network)), ("valid", .array(items))])
        case .status, .leases, .metrics: return JSONObject()
        }
    }
}
