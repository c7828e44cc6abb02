import CNI
import DHCP
import DHCPSocket
import JSON
import Linux
import State

/// What the daemon keeps on disk of one lease, enough to go on after a restart.
struct LeaseFile {
    /// The interface that the lease is for, to tell it from a later one of the same name.
    struct Interface: Equatable {
        /// The namespace's device and inode on nsfs.
        var device: Int
        var inode: Int
        /// The link's index.
        var index: Int32
        /// Its hardware address.
        var mac: MACAddress
        /// Whether it shares its hardware address with others (ipvlan): servers have to broadcast.
        var sharesHardwareAddress: Bool
    }

    var request: LeaseRequest
    var interface: Interface
    /// Nil while there is no lease, after one was lost.
    var lease: DHCPLease?

    init(request: LeaseRequest, interface: Interface, lease: DHCPLease?) {
        self.request = request
        self.interface = interface
        self.lease = lease
    }

    private static let version = 1

    /// As a JSON object. Times are of the clock since boot: they hold as long as the boot does.
    func json(boot: String) -> JSONObject {
        var object = JSONObject([
            ("version", .integer(Int64(LeaseFile.version))), ("boot", .string(boot)), ("request", .object(request.json)),
            (
                "interface",
                .object(
                    JSONObject([
                        ("device", .integer(Int64(interface.device))), ("inode", .integer(Int64(interface.inode))),
                        ("index", .integer(Int64(interface.index))), ("mac", .string(interface.mac.text)),
                        ("shared", .bool(interface.sharesHardwareAddress)),
                    ]))
            ),
        ])
        if let lease {
            object["lease"] = .object(
                JSONObject([
                    ("address", .string(lease.address.text)), ("start", .integer(Int64(lease.start))),
                    ("server", .string(MACAddress(bytes: lease.serverHardware)?.text ?? "")),
                    ("ack", .string(Base64.encode(lease.ack.encoded()))),
                ]))
        }
        return object
    }

    /// Reads what ``json(boot:)`` writes. Throws where it is something else.
    init(_ reader: ConfigReader) throws(CNIError) {
        guard try reader.integer("version") == LeaseFile.version, let request = try reader.object("request"),
            let interface = try reader.object("interface"), let mac = MACAddress(try interface.string("mac") ?? "")
        else { throw CNIError(.decodingFailure, "it is no lease of this daemon's version") }
        self.request = try LeaseRequest(request)
        self.interface = Interface(
            device: try interface.integer("device") ?? 0, inode: try interface.integer("inode") ?? 0,
            index: Int32(clamping: try interface.integer("index") ?? 0), mac: mac,
            sharesHardwareAddress: try interface.bool("shared"))
        lease = try reader.object("lease").map { (object) throws(CNIError) in try LeaseFile.lease(object) }
    }

    private static func lease(_ reader: ConfigReader) throws(CNIError) -> DHCPLease {
        guard let bytes = Base64.decode(try reader.string("ack") ?? ""), let ack = DHCPMessage(bytes[...]),
            let server = MACAddress(try reader.string("server") ?? ""), let start = try reader.integer("start"), start >= 0,
            let lease = DHCPLease(ack, from: server.bytes, start: start)
        else { throw CNIError(.decodingFailure, "its lease can't be read") }
        return lease
    }
}
