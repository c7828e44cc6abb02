import CLinux
import CNI
import DHCP
import Linux

/// The sockets of one lease of IPv6, in its container's namespace: UDP for DHCPv6, ICMPv6 for neighbour discovery. They are open only while
/// something is expected to come: an open socket keeps its namespace alive.
final class IPv6Sockets {
    private let loop: EventLoop
    private let index: Int32
    private let name: String
    /// Takes messages of servers, and the address that each came from.
    private let receive: (DHCPv6Message, IPAddress) -> Void
    private let receiveAdvertisement: (RouterAdvertisement, IPAddress) -> Void
    /// Takes the address that a neighbour has, and its hardware address.
    private let receiveNeighbour: (IPAddress, [UInt8]?) -> Void
    private let malformed: () -> Void
    private var udp: Int32 = -1
    private var discovery: Int32 = -1

    /// All servers and relays of the link.
    private static let servers = IPAddress(family: .v6, high: 0xff02 << 48, low: 0x1_0002)
    private static let serverPort: UInt16 = 547
    private static let clientPort: UInt16 = 546

    init(
        _ loop: EventLoop, index: Int32, name: String, receive: @escaping (DHCPv6Message, IPAddress) -> Void,
        receiveAdvertisement: @escaping (RouterAdvertisement, IPAddress) -> Void,
        receiveNeighbour: @escaping (IPAddress, [UInt8]?) -> Void, malformed: @escaping () -> Void
    ) {
        self.loop = loop
        self.index = index
        self.name = name
        self.receive = receive
        self.receiveAdvertisement = receiveAdvertisement
        self.receiveNeighbour = receiveNeighbour
        self.malformed = malformed
    }

    /// Closes all.
    func close() {
        for descriptor in [udp, discovery] where descriptor >= 0 { loop.close(descriptor) }
        (udp, discovery) = (-1, -1)
    }

    // MARK: Sending. The thread has to be in the container's namespace where a socket is not open yet.

    /// Sends a message to all servers and relays.
    func send(_ message: DHCPv6Message) throws(CNIError) {
        if udp < 0 {
            guard let own = try InterfaceAddresses(index).linkLocal else {
                throw CNIError("\(name) has no link-local address that can be used")
            }
            udp = clinux_udp6_socket(own.bytes, IPv6Sockets.clientPort, index, name)
            if udp < 0 { throw CNIError("open UDP port 546 of \(own.text) on \(name): \(Errno.current.text)") }
            try loop.watch(udp) { [self] in readUDP() }
        }
        try send(udp, message.encoded(), to: IPv6Sockets.servers, IPv6Sockets.serverPort, "DHCPv6")
    }

    /// Asks routers to advertise themselves.
    func solicitRouters(hardware: [UInt8]) throws(CNIError) {
        try openDiscovery()
        let message = NeighbourDiscovery.routerSolicitation(hardware: hardware)
        try send(discovery, message, to: NeighbourDiscovery.allRouters, 0, "a router solicitation")
    }

    /// Asks who has an address.
    func probe(_ address: IPAddress, hardware: [UInt8]) throws(CNIError) {
        try openDiscovery()
        let message = NeighbourDiscovery.solicitation(address, hardware: hardware)
        try send(discovery, message, to: NeighbourDiscovery.solicitedNodes(address), 0, "a neighbour solicitation")
    }

    private func openDiscovery() throws(CNIError) {
        if discovery >= 0 { return }
        discovery = clinux_discovery_socket(index, name)
        if discovery < 0 { throw CNIError("open a socket of ICMPv6 on \(name): \(Errno.current.text)") }
        try loop.watch(discovery) { [self] in readDiscovery() }
    }

    private func send(
        _ descriptor: Int32, _ bytes: [UInt8], to address: IPAddress, _ port: UInt16, _ what: String
    ) throws(CNIError) {
        if clinux_send6(descriptor, address.bytes, port, index, bytes, bytes.count) < 0 {
            throw CNIError("send \(what) on \(name): \(Errno.current.text)")
        }
    }

    // MARK: Receiving

    private func readUDP() {
        while let (bytes, source, _) = read(udp) {
            if let message = DHCPv6Message(bytes[...]) { receive(message, source) } else { malformed() }
        }
    }

    private func readDiscovery() {
        while let (bytes, source, hops) = read(discovery) {
            // What has passed a router is no one's on the link: RFC 4861, section 6.1.2.
            if hops != 255 {
                malformed()
            } else if let advertisement = RouterAdvertisement(bytes[...]) {
                receiveAdvertisement(advertisement, source)
            } else if let (target, hardware) = NeighbourDiscovery.advertised(bytes[...]) {
                receiveNeighbour(target, hardware)
            } else {
                malformed()
            }
        }
    }

    /// The next packet; nil where there is none.
    private func read(_ descriptor: Int32) -> (bytes: [UInt8], source: IPAddress, hops: Int32)? {
        var buffer = [UInt8](repeating: 0, count: 2048)
        var address = [UInt8](repeating: 0, count: 16)
        var hops: Int32 = -1
        while descriptor >= 0 {
            let count = buffer.withUnsafeMutableBytes { clinux_receive6(descriptor, $0.baseAddress, $0.count, &address, &hops) }
            if count < 0 && Errno.current != .interrupted && Errno.current.rawValue != ECONNREFUSED { return nil }
            if count > 0, let source = IPAddress(bytes: address) { return (Array(buffer[0..<count]), source, hops) }
        }
        return nil
    }
}
