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
    var family: IPAddress.Family
    var interface: Interface
    /// Nil while there is no lease, after one was lost.
    var lease: Lease?

    init(request: LeaseRequest, family: IPAddress.Family, interface: Interface, lease: Lease?) {
        self.request = request
        self.family = family
        self.interface = interface
        self.lease = lease
    }

    private static let version = 1

    /// As a JSON object. Times are of the clock since boot: they hold as long as the boot does.
    func json(boot: String) -> JSONObject {
        var object = JSONObject([
            ("version", .integer(Int64(LeaseFile.version))), ("boot", .string(boot)), ("request", .object(request.json)),
            ("family", .integer(Int64(family.rawValue))),
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
        if let lease { object["lease"] = .object(LeaseFile.json(lease)) }
        return object
    }

    private static func json(_ lease: Lease) -> JSONObject {
        var object = JSONObject([("address", .string(lease.text)), ("start", .integer(Int64(lease.start)))])
        switch lease {
        case .v4(let lease):
            object["server"] = .string(MACAddress(bytes: lease.serverHardware)?.text ?? "")
            object["ack"] = .string(Base64.encode(lease.ack.encoded()))
        case .v6(let lease):
            if let grant = lease.grant {
                object["server"] = .string(grant.server.text)
                object["reply"] = .string(Base64.encode(grant.reply.encoded()))
            }
            if let router = lease.router {
                object["router"] = .string(router.address.text)
                object["advertisement"] = .string(Base64.encode(router.advertisement.bytes))
            }
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
        // Files of before there was IPv6 do not say.
        family = try reader.integer("family") == Int(IPAddress.Family.v6.rawValue) ? .v6 : .v4
        if family == .v6 && self.request.ipv6 == nil {
            throw CNIError(.decodingFailure, "it does not say what IPv6 addresses are asked for")
        }
        guard let object = try reader.object("lease") else { return }
        lease = family == .v4 ? try LeaseFile.lease(object).map { .v4($0) } : try lease6(object).map { .v6($0) }
        if lease == nil { throw CNIError(.decodingFailure, "its lease can't be read") }
    }

    private static func lease(_ reader: ConfigReader) throws(CNIError) -> DHCPLease? {
        guard let bytes = Base64.decode(try reader.string("ack") ?? ""), let ack = DHCPMessage(bytes[...]),
            let server = MACAddress(try reader.string("server") ?? ""), let start = try reader.integer("start"), start >= 0
        else { return nil }
        return DHCPLease(ack, from: server.bytes, start: start)
    }

    private func lease6(_ reader: ConfigReader) throws(CNIError) -> IPv6Lease? {
        guard let start = try reader.integer("start"), start >= 0 else { return nil }
        let advertisement = Base64.decode(try reader.string("advertisement") ?? "").flatMap { RouterAdvertisement($0[...]) }
        var router: IPv6Lease.Router?
        if let advertisement, let address = IPAddress(try reader.string("router") ?? "") {
            router = IPv6Lease.Router(address, advertisement)
        }
        if let text = try reader.string("reply") {
            guard let reply = Base64.decode(text).flatMap({ DHCPv6Message($0[...]) }),
                let server = IPAddress(try reader.string("server") ?? "")
            else { return nil }
            return IPv6Lease(reply, association: request.ipv6?.association ?? 0, from: server, router: router, start: start)
        }
        // Only its own lower half makes the address what it was.
        guard let router, let address = IPNetwork(LeaseFile.first(try reader.string("address") ?? "")) else { return nil }
        return IPv6Lease(router, identifier: address.address.low, start: start)
    }

    /// What comes before the first comma.
    private static func first(_ list: String) -> String {
        String(Substring(list.utf8.prefix { $0 != UInt8(ascii: ",") }))
    }
}
