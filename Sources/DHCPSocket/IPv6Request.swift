import CNI
import DHCP
import JSON
import State

/// What the daemon has to know to get IPv6 addresses.
public struct IPv6Request: Equatable, Sendable {
    /// Where they come from.
    public var mode: IPv6ClientSettings.Mode
    /// The client's DUID.
    public var clientIdentifier: [UInt8]
    /// The number of the IA_NA.
    public var association: UInt32
    /// Whether a server may grant an address at once.
    public var rapidCommit: Bool

    /// A request of these parts.
    public init(_ mode: IPv6ClientSettings.Mode, clientIdentifier: [UInt8], association: UInt32, rapidCommit: Bool = false) {
        self.mode = mode
        self.clientIdentifier = clientIdentifier
        self.association = association
        self.rapidCommit = rapidCommit
    }

    /// Reads what ``json`` writes. Throws where it is something else.
    init(_ reader: ConfigReader) throws(CNIError) {
        guard let mode = IPv6ClientSettings.Mode(rawValue: try reader.string("mode") ?? "") else {
            throw reader.invalid("mode", "is none that this daemon knows")
        }
        let duid = try LeaseRequest.bytes(reader, "duid")
        // RFC 8415, section 11.1.
        guard (3...130).contains(duid.count) else { throw reader.invalid("duid", "must have 3 to 130 bytes, has \(duid.count)") }
        guard let association = UInt32(exactly: try reader.integer("iaid") ?? 0) else { throw reader.invalid("iaid", "is no IAID") }
        self.init(mode, clientIdentifier: duid, association: association, rapidCommit: try reader.bool("rapidCommit"))
    }

    /// As a JSON object.
    var json: JSONObject {
        JSONObject([
            ("mode", .string(mode.rawValue)), ("duid", .string(Base64.encode(clientIdentifier))), ("iaid", .integer(Int64(association))),
            ("rapidCommit", .bool(rapidCommit)),
        ])
    }
}
