import CLinux
import CNI
import DHCP
import Linux

/// The sockets of one lease, in its container's namespace. They are open only while something is expected to come: an open socket keeps
/// its namespace alive.
final class LeaseSockets {
    private let loop: EventLoop
    private let index: Int32
    private let name: String
    /// Takes messages of servers, and the hardware address that each came from.
    private let receive: (DHCPMessage, [UInt8]) -> Void
    private let receiveARP: (ARPPacket) -> Void
    private let malformed: () -> Void
    private var packets: Int32 = -1
    private var arp: Int32 = -1
    private var unicast: Int32 = -1

    private static let broadcastHardware = [UInt8](repeating: 0xff, count: 6)
    private static let serverPort: UInt16 = 67
    private static let clientPort: UInt16 = 68

    init(
        _ loop: EventLoop, index: Int32, name: String, receive: @escaping (DHCPMessage, [UInt8]) -> Void,
        receiveARP: @escaping (ARPPacket) -> Void, malformed: @escaping () -> Void
    ) {
        self.loop = loop
        self.index = index
        self.name = name
        self.receive = receive
        self.receiveARP = receiveARP
        self.malformed = malformed
    }

    /// Whether a socket is open.
    var isOpen: Bool { packets >= 0 || arp >= 0 || unicast >= 0 }

    /// Closes all.
    func close() {
        for descriptor in [packets, arp, unicast] where descriptor >= 0 { loop.close(descriptor) }
        (packets, arp, unicast) = (-1, -1, -1)
    }

    // MARK: Sending. The thread has to be in the container's namespace where a socket is not open yet.

    /// Sends a message to all on the link.
    func broadcast(_ message: DHCPMessage, from source: IPAddress) throws(CNIError) {
        let packet = UDPPacket(
            source: source, destination: IPAddress(family: .v4, high: 0, low: 0xffff_ffff), sourcePort: LeaseSockets.clientPort,
            destinationPort: LeaseSockets.serverPort, payload: message.encoded())
        try send(packet, to: LeaseSockets.broadcastHardware)
    }

    /// Sends a message to a server by its hardware address: nothing has to be resolved, so that it is out when this returns.
    func direct(_ message: DHCPMessage, to server: IPAddress, hardware: [UInt8], from source: IPAddress) throws(CNIError) {
        let packet = UDPPacket(
            source: source, destination: server, sourcePort: LeaseSockets.clientPort, destinationPort: LeaseSockets.serverPort,
            payload: message.encoded())
        try send(packet, to: hardware)
    }

    private func send(_ packet: UDPPacket, to hardware: [UInt8]) throws(CNIError) {
        try openPackets()
        let bytes = packet.encoded()
        if clinux_packet_send(packets, UInt16(ETH_P_IP), index, hardware, bytes, bytes.count) < 0 {
            throw CNIError("send on \(name): \(Errno.current.text)")
        }
    }

    /// Sends a message to a server as any program does: the kernel finds the way.
    func unicast(_ message: DHCPMessage, to server: IPAddress, from source: IPAddress) throws(CNIError) {
        if unicast < 0 {
            unicast = clinux_udp_socket(UInt32(truncatingIfNeeded: source.low), LeaseSockets.clientPort, name)
            if unicast < 0 { throw CNIError("open UDP port 68 of \(source.text) on \(name): \(Errno.current.text)") }
            try loop.watch(unicast) { [self] in readUnicast() }
        }
        let bytes = message.encoded()
        let number = UInt32(truncatingIfNeeded: server.low)
        if clinux_udp_send(unicast, number, LeaseSockets.serverPort, bytes, bytes.count) < 0 {
            throw CNIError("send to \(server.text) on \(name): \(Errno.current.text)")
        }
    }

    /// Asks by ARP who has an address.
    func probe(_ address: IPAddress, hardware: [UInt8]) throws(CNIError) {
        if arp < 0 {
            arp = clinux_packet_socket(UInt16(ETH_P_ARP), index)
            if arp < 0 { throw CNIError("open a packet socket on \(name): \(Errno.current.text)") }
            try loop.watch(arp) { [self] in readARP() }
        }
        let bytes = ARPPacket(probe: address, hardware: hardware).encoded()
        if clinux_packet_send(arp, UInt16(ETH_P_ARP), index, LeaseSockets.broadcastHardware, bytes, bytes.count) < 0 {
            throw CNIError("send ARP on \(name): \(Errno.current.text)")
        }
    }

    private func openPackets() throws(CNIError) {
        if packets >= 0 { return }
        packets = clinux_packet_socket(UInt16(ETH_P_IP), index)
        if packets < 0 { throw CNIError("open a packet socket on \(name): \(Errno.current.text)") }
        try loop.watch(packets) { [self] in readPackets() }
    }

    // MARK: Receiving

    private func readPackets() {
        while let (bytes, hardware, hasChecksum) = readPacket(packets) {
            if let packet = UDPPacket(bytes[...], verify: hasChecksum), packet.sourcePort == LeaseSockets.serverPort,
                packet.destinationPort == LeaseSockets.clientPort, let message = DHCPMessage(packet.payload[...])
            {
                receive(message, hardware)
            } else {
                malformed()
            }
        }
    }

    private func readARP() {
        while let (bytes, _, _) = readPacket(arp) {
            if let packet = ARPPacket(bytes[...]) { receiveARP(packet) }
        }
    }

    /// The next packet that is for this host; nil where there is none.
    private func readPacket(_ descriptor: Int32) -> (bytes: [UInt8], hardware: [UInt8], hasChecksum: Bool)? {
        var buffer = [UInt8](repeating: 0, count: 2048)
        var hardware = [UInt8](repeating: 0, count: 6)
        var forUs: Int32 = 0
        var hasChecksum: Int32 = 1
        while descriptor >= 0 {
            let count = buffer.withUnsafeMutableBytes {
                clinux_packet_receive(descriptor, $0.baseAddress, $0.count, &hardware, &forUs, &hasChecksum)
            }
            if count < 0 && Errno.current != .interrupted { return nil }
            if count > 0 && forUs != 0 { return (Array(buffer[0..<count]), hardware, hasChecksum != 0) }
        }
        return nil
    }

    private func readUnicast() {
        var buffer = [UInt8](repeating: 0, count: 2048)
        while unicast >= 0 {
            var address: UInt32 = 0
            var port: UInt16 = 0
            let count = buffer.withUnsafeMutableBytes { clinux_udp_receive(unicast, $0.baseAddress, $0.count, &address, &port) }
            if count < 0 {
                // An ICMP error of an earlier message comes up here: the next attempt is on the timer.
                if Errno.current.rawValue == ECONNREFUSED || Errno.current == .interrupted { continue }
                return
            }
            if let message = DHCPMessage(buffer[0..<count]) { receive(message, []) } else { malformed() }
        }
    }
}
