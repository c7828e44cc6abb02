import CNI

/// A packet of ARP for Ethernet and IPv4: RFC 826.
public struct ARPPacket: Equatable, Sendable {
    /// Whether it answers.
    public let isReply: Bool
    /// The sender's hardware address.
    public let senderHardware: [UInt8]
    /// The sender's address; unspecified in a probe.
    public let sender: IPAddress
    /// The address that is asked for.
    public let target: IPAddress

    private static let prefix: [UInt8] = [0, 1, 8, 0, 6, 4, 0]

    /// A probe: asks who has an address, without a word of having one. RFC 5227, section 2.1.1.
    public init(probe target: IPAddress, hardware: [UInt8]) {
        isReply = false
        senderHardware = hardware
        sender = .unspecified(.v4)
        self.target = target
    }

    /// Reads a packet. Nil where it is none.
    public init?(_ bytes: ArraySlice<UInt8>) {
        let packet = Array(bytes)
        guard packet.count >= 28, Array(packet[0..<7]) == ARPPacket.prefix, packet[7] == 1 || packet[7] == 2,
            let sender = IPAddress(bytes: Array(packet[14..<18])), let target = IPAddress(bytes: Array(packet[24..<28]))
        else { return nil }
        isReply = packet[7] == 2
        senderHardware = Array(packet[8..<14])
        self.sender = sender
        self.target = target
    }

    /// The packet as it is sent.
    public func encoded() -> [UInt8] {
        ARPPacket.prefix + [isReply ? 2 : 1] + senderHardware + sender.bytes + [UInt8](repeating: 0, count: 6) + target.bytes
    }

    /// Whether the packet shows that another host has, or is about to take, an address: RFC 5227, section 2.1.1.
    public func conflicts(with address: IPAddress, hardware: [UInt8]) -> Bool {
        if senderHardware == hardware { return false }
        return sender == address || (!isReply && sender.isUnspecified && target == address)
    }
}
