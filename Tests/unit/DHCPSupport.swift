import CNI

@testable import DHCP

/// Addresses, messages and clients that the tests of DHCP use.
enum Sample {
    static let mac: [UInt8] = [0x02, 0, 0, 0, 0, 1]
    static let serverMAC: [UInt8] = [0x02, 0, 0, 0, 0, 9]

    static func address(_ text: String) -> IPAddress { IPAddress(text) ?? .unspecified(.v4) }

    static func settings() -> DHCPClientSettings {
        var settings = DHCPClientSettings(hardwareAddress: mac, clientIdentifier: [0] + Array("id/net/eth0".utf8))
        settings.requested = [1, 3]
        settings.probes = 1
        return settings
    }

    /// A server's answer to a client's message.
    static func reply(
        _ kind: DHCPMessage.Kind, to message: DHCPMessage, address: String = "10.9.0.5", server: String = "10.9.0.1", lease: UInt32 = 100,
        _ change: (inout DHCPMessage) -> Void = { _ in }
    ) -> DHCPMessage {
        var reply = DHCPMessage(kind, transaction: message.transaction, hardwareAddress: message.hardwareAddress)
        reply.isReply = true
        reply.options[DHCPOption.serverIdentifier] = Sample.address(server).bytes
        if kind != .nak {
            reply.yourAddress = Sample.address(address)
            var seconds: [UInt8] = []
            seconds.append(bigEndian: lease)
            reply.options[DHCPOption.leaseTime] = seconds
            reply.options[DHCPOption.subnetMask] = [255, 255, 255, 0]
            reply.options[DHCPOption.routers] = Sample.address(server).bytes
        }
        change(&reply)
        return reply
    }
}

extension [DHCPClient.Action] {
    /// The messages to send.
    var messages: [DHCPMessage] {
        compactMap { if case .send(let message, _) = $0 { message } else { nil } }
    }

    /// The one message to send, or one that no test expects.
    var message: DHCPMessage { messages.first ?? DHCPMessage(.inform, transaction: 0, hardwareAddress: []) }
}
