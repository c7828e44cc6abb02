import CNI

/// A UDP datagram in an IPv4 packet, for sending and receiving without an address of one's own: RFC 791, RFC 768.
public struct UDPPacket: Equatable, Sendable {
    /// Who sends it.
    public var source: IPAddress
    /// Who gets it.
    public var destination: IPAddress
    /// The port it is sent from.
    public var sourcePort: UInt16
    /// The port it goes to.
    public var destinationPort: UInt16
    /// What it carries.
    public var payload: [UInt8]

    private static let headers = 28

    /// Makes one of these parts.
    public init(source: IPAddress, destination: IPAddress, sourcePort: UInt16, destinationPort: UInt16, payload: [UInt8]) {
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.payload = payload
    }

    /// Reads a packet. Nil where it is none, is a fragment, or a checksum or length is wrong.
    ///
    /// - Parameter verify: false where the kernel left the UDP checksum to a network card that the packet never saw.
    public init?(_ bytes: ArraySlice<UInt8>, verify: Bool = true) {
        let packet = Array(bytes)
        func number(_ offset: Int) -> Int { Int(packet[offset]) << 8 | Int(packet[offset + 1]) }
        guard packet.count >= UDPPacket.headers, packet[0] >> 4 == 4, packet[9] == 17, number(6) & 0x3fff == 0 else { return nil }
        let header = Int(packet[0] & 0xf) * 4
        let total = number(2)
        guard header >= 20, total >= header + 8, total <= packet.count, UDPPacket.checksum(packet[0..<header]) == 0 else { return nil }
        let length = number(header + 4)
        guard length >= 8, header + length <= total,
            let source = IPAddress(bytes: Array(packet[12..<16])), let destination = IPAddress(bytes: Array(packet[16..<20]))
        else { return nil }
        let datagram = packet[header..<header + length]
        if verify && number(header + 6) != 0 && UDPPacket.checksum(UDPPacket.pseudoHeader(source, destination, length) + datagram) != 0 {
            return nil
        }
        self.init(
            source: source, destination: destination, sourcePort: UInt16(number(header)), destinationPort: UInt16(number(header + 2)),
            payload: Array(datagram.dropFirst(8)))
    }

    /// The packet as it is sent.
    public func encoded() -> [UInt8] {
        let length = 8 + payload.count
        var header: [UInt8] = [0x45, 0xc0]  // precedence: internetwork control
        header.append(bigEndian: UInt16(truncatingIfNeeded: 20 + length))
        header += [0, 0, 0x40, 0, 64, 17, 0, 0]
        header += source.bytes + destination.bytes
        UDPPacket.set(UDPPacket.checksum(header[...]), at: 10, in: &header)
        var datagram: [UInt8] = []
        datagram.append(bigEndian: sourcePort)
        datagram.append(bigEndian: destinationPort)
        datagram.append(bigEndian: UInt16(truncatingIfNeeded: length))
        datagram += [0, 0]
        datagram += payload
        let sum = UDPPacket.checksum(UDPPacket.pseudoHeader(source, destination, length) + datagram)
        // 0 would say that there is no checksum.
        UDPPacket.set(sum == 0 ? 0xffff : sum, at: 6, in: &datagram)
        return header + datagram
    }

    private static func pseudoHeader(_ source: IPAddress, _ destination: IPAddress, _ length: Int) -> [UInt8] {
        var bytes = source.bytes + destination.bytes + [0, 17]
        bytes.append(bigEndian: UInt16(truncatingIfNeeded: length))
        return bytes
    }

    private static func set(_ number: UInt16, at offset: Int, in bytes: inout [UInt8]) {
        bytes[offset] = UInt8(number >> 8)
        bytes[offset + 1] = UInt8(number & 0xff)
    }

    /// The Internet checksum, RFC 1071.
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt16 {
        var sum: UInt32 = 0
        var high = true
        for byte in bytes {
            sum += high ? UInt32(byte) << 8 : UInt32(byte)
            high.toggle()
            if sum > 0xffff { sum -= 0xffff }
        }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}
