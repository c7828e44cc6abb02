import CLinux
import CNI
import DHCP
import DHCPSocket
import Linux
import Netlink

/// Gets a lease of IPv4: ``DHCPClient`` with its sockets.
final class DHCPv4Driver: LeaseDriver {
    /// How long an answer may take before the sockets are closed, while a lease is there: then nothing has to be received in between.
    private static let listening = 10_000

    private let session: LeaseSession
    private var client: DHCPClient
    private var sockets: LeaseSockets?
    private var listenUntil: Int?

    init(_ session: LeaseSession) {
        self.session = session
        client = DHCPClient(DHCPv4Driver.settings(session), seed: LeaseSession.seed())
        let table = session.table
        sockets = LeaseSockets(
            table.loop, index: session.interface.index, name: session.request.key.interfaceName,
            receive: { [self] in received($0, from: $1) },
            receiveARP: { [self] in received($0) }, malformed: { table.counters.malformed += 1 })
    }

    private static func settings(_ session: LeaseSession) -> DHCPClientSettings {
        let request = session.request
        let options = session.table.options
        var settings = DHCPClientSettings(hardwareAddress: session.interface.mac.bytes, clientIdentifier: request.clientIdentifier)
        settings.provided = request.provided
        settings.requested = request.requested
        settings.broadcast = request.broadcast ?? (options.broadcast || session.interface.sharesHardwareAddress)
        (settings.probes, settings.probeInterval) = request.probes
        settings.confirmationLimit = options.timeout
        settings.resendMaximum = options.resendMaximum
        settings.searchLimit = options.resendTimeout
        return settings
    }

    var lease: Lease? { client.lease.map { .v4($0) } }
    var hasLease: Bool { client.state.hasLease }
    var problem: String? { client.lastProblem }

    var deadline: Int? {
        // While there is a lease, and between two attempts of a search that may last, nothing is listened to for long.
        if !client.state.hasLease && session.waiter != nil { listenUntil = nil }
        return [client.deadline, listenUntil].compactMap { $0 }.min()
    }

    var state: String {
        switch client.state {
        case .stopped: "stopped"
        case .selecting: "selecting"
        case .requesting: "requesting"
        case .probing: "probing"
        case .pausing: "pausing"
        case .bound: "bound"
        case .renewing: "renewing"
        case .rebinding: "rebinding"
        }
    }

    // MARK: Events

    func start(givingUp: Bool) { perform(client.start(at: session.now, givingUp: givingUp)) }

    func resume(_ lease: Lease) {
        if case .v4(let lease) = lease { perform(client.resume(lease, at: session.now)) }
    }

    func timeOut() {
        if let until = listenUntil, until <= session.now { closeSockets() }
        perform(client.timeOut(at: session.now))
    }

    private func received(_ message: DHCPMessage, from hardware: [UInt8]) {
        if let kind = message.kind { session.table.counters.received[kind, default: 0] += 1 }
        // What comes by unicast does not tell: the server is where it was.
        perform(client.receive(message, from: hardware.isEmpty ? client.lease?.serverHardware ?? [] : hardware, at: session.now))
        session.schedule()
    }

    private func received(_ packet: ARPPacket) {
        guard client.state == .probing, let address = client.lease?.address.address,
            packet.conflicts(with: address, hardware: session.interface.mac.bytes)
        else { return }
        perform(client.addressInUse(by: MACAddress(bytes: packet.senderHardware)?.text ?? "another host", at: session.now))
        session.schedule()
    }

    func addressChanged(_ info: AddressInfo) {}

    // MARK: Actions

    private func perform(_ actions: [DHCPClient.Action]) {
        for action in actions where session.isLive {
            switch action {
            case .send(let message, let delivery): send(message, delivery)
            case .probe(let address):
                let hardware = session.interface.mac.bytes
                withSockets { (sockets) throws(CNIError) in try sockets.probe(address, hardware: hardware) }
            case .granted(let lease, let before): session.granted(.v4(lease), before: before.map { .v4($0) })
            case .lost(let lease, let reason): session.lost(.v4(lease), reason)
            case .failed(let reason): session.failed(reason, advice: DHCPv4Driver.advice)
            }
        }
    }

    private static let advice = "is there a DHCP server on the network that the interface is connected to, with a free address?"

    private func send(_ message: DHCPMessage, _ delivery: DHCPClient.Delivery) {
        if let kind = message.kind { session.table.counters.sent[kind, default: 0] += 1 }
        listenUntil = session.now + DHCPv4Driver.listening
        withSockets { (sockets) throws(CNIError) in
            switch delivery {
            case .broadcast(let source): try sockets.broadcast(message, from: source)
            case .unicast(let server, let source): try sockets.unicast(message, to: server, from: source)
            }
        }
    }

    private func withSockets(_ body: (LeaseSockets) throws(CNIError) -> Void) {
        guard let sockets else { return }
        session.inContainer { () throws(CNIError) in try body(sockets) }
    }

    // MARK: Ending

    /// Sends RELEASE where there is a lease: from the container, else from the host.
    func release(removing remove: () -> Void) -> String? {
        let lease = client.lease
        guard let message = client.stop(), let lease else { return nil }
        session.table.counters.sent[.release, default: 0] += 1
        session.table.counters.released += 1
        if releaseFromContainer(message, lease, remove) { return "" }
        releaseFromHost(message, lease)
        return " from the host"
    }

    private func releaseFromContainer(_ message: DHCPMessage, _ lease: DHCPLease, _ remove: () -> Void) -> Bool {
        guard let sockets, session.isLive, lease.serverHardware.count == 6 else { return false }
        do throws(CNIError) {
            let done: Void? = try ContainerNamespace.enter(session.path, session.request.key.interfaceName, session.interface) {
                () throws(CNIError) in
                remove()
                try sockets.direct(message, to: lease.server, hardware: lease.serverHardware, from: lease.address.address)
            }
            return done != nil
        } catch {
            Log.write(.debug, "\(session.key.text): RELEASE from the container: \(error.text)")
            return false
        }
    }

    private func releaseFromHost(_ message: DHCPMessage, _ lease: DHCPLease) {
        let socket = clinux_udp_socket(0, 0, nil)
        let bytes = message.encoded()
        if socket < 0 || clinux_udp_send(socket, UInt32(truncatingIfNeeded: lease.server.low), 67, bytes, bytes.count) < 0 {
            session.table.counters.sendFailures += 1
            Log.write(.warning, "\(session.key.text): RELEASE from the host to \(lease.server.text): \(Errno.current.text)")
        }
        if socket >= 0 { _ = CLinux.close(socket) }
    }

    func closeSockets() {
        sockets?.close()
        listenUntil = nil
    }

    func dispose() { sockets = nil }
}
