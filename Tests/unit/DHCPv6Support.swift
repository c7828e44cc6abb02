import CNI

@testable import DHCP

/// Messages, routers and clients that the tests of DHCPv6 use.
enum Sample6 {
    static let duid: [UInt8] = [0, 4] + [UInt8](repeating: 7, count: 16)
    static let serverDUID: [UInt8] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 9]
    static let association: UInt32 = 0x0102_0304
    static let identifier: UInt64 = 0x0000_00ff_fe00_0001

    static func address(_ text: String) -> IPAddress { IPAddress(text) ?? .unspecified(.v6) }

    static let server = address("fe80::9")

    static func settings(_ mode: IPv6ClientSettings.Mode = .dhcp) -> IPv6ClientSettings {
        var settings = IPv6ClientSettings(mode, interfaceIdentifier: identifier, clientIdentifier: duid, association: association)
        settings.probes = 1
        return settings
    }

    /// A server's answer to a client's message.
    static func reply(
        _ kind: DHCPv6Message.Kind, to message: DHCPv6Message, address: String? = "2001:db8::5",
        preferred: UInt32 = 50, valid: UInt32 = 100, t1: UInt32 = 20, t2: UInt32 = 40, server: [UInt8] = serverDUID,
        preference: UInt8? = nil, status: UInt16 = 0,
        _ change: (inout DHCPv6Message) -> Void = { _ in }
    ) -> DHCPv6Message {
        var reply = DHCPv6Message(kind, transaction: message.transaction)
        reply.options.append(DHCPv6Option.clientIdentifier, duid)
        reply.options.append(DHCPv6Option.serverIdentifier, server)
        if let preference { reply.options.append(DHCPv6Option.preference, [preference]) }
        var given = IdentityAssociation(
            association,
            addresses: address.map { [IdentityAssociation.Address(Sample6.address($0), preferred: preferred, valid: valid)] } ?? [])
        (given.t1, given.t2) = (t1, t2)
        var value = given.encoded()
        if status != 0 { value += [0, 13, 0, 4, 0, UInt8(status), 0x68, 0x69] }
        reply.options.append(DHCPv6Option.identityAssociation, value)
        change(&reply)
        return reply
    }

    /// A router's advertisement: flags M and O, and options.
    static func advertisement(flags: UInt8 = 0, lifetime: UInt16 = 1800, _ options: [UInt8] = []) -> RouterAdvertisement {
        let bytes: [UInt8] = [134, 0, 0, 0, 64, flags, UInt8(lifetime >> 8), UInt8(lifetime & 0xff)] + [UInt8](repeating: 0, count: 8)
        return RouterAdvertisement((bytes + options)[...]) ?? empty
    }

    private static let empty = RouterAdvertisement([134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][...]) ?? advertisement()

    /// The option of a network: flags L (0x80) and A (0x40).
    static func prefix(_ text: String = "2001:db8:1::", length: UInt8 = 64, flags: UInt8 = 0xc0, valid: UInt32 = 300) -> [UInt8] {
        var option: [UInt8] = [3, 4, length, flags]
        option.append(bigEndian: valid)
        option.append(bigEndian: valid / 2)
        return option + [0, 0, 0, 0] + address(text).bytes
    }
}

extension [IPv6Client.Action] {
    /// The message to send, or one that no test expects.
    var message: DHCPv6Message {
        for case .send(let message) in self { return message }
        return DHCPv6Message(.reconfigure, transaction: 0)
    }
}
