import CLinux
import CNI
import DHCP
import DHCPSocket
import Linux
import Netlink

/// One lease: its state machine, with its sockets, its timer and its file.
final class LeaseSession {
    /// How long an answer may take before the sockets are closed, while a lease is there: then nothing has to be received in between.
    private static let listening = 10_000
    /// How long the link may take to come up before the search begins all the same.
    private static let linkLimit = 2_500

    /// What was asked for.
    let request: LeaseRequest
    /// The interface.
    let interface: LeaseFile.Interface
    /// The number of its namespace.
    let namespace: Int32
    /// Who waits for the lease; nil once there was one.
    var waiter: Waiter?
    /// Why there will be no lease any more; nil as long as there is one or may be one.
    private(set) var ended: String?

    private let table: LeaseTable
    private let settings: DHCPClientSettings
    private var client: DHCPClient
    private var sockets: LeaseSockets?
    private var timer = 0
    private var listenUntil: Int?
    private var waitsForLink = false
    /// The lease whose address and routes the interface has.
    private var configured: DHCPLease?
    private var isDisposed = false

    /// Called once: with the lease, or with why there is none.
    typealias Waiter = (Result<DHCPLease, CNIError>) -> Void

    init(_ table: LeaseTable, _ request: LeaseRequest, _ interface: LeaseFile.Interface, namespace: Int32) {
        self.table = table
        self.request = request
        self.interface = interface
        self.namespace = namespace
        var settings = DHCPClientSettings(hardwareAddress: interface.mac.bytes, clientIdentifier: request.clientIdentifier)
        settings.provided = request.provided
        settings.requested = request.requested
        settings.broadcast = request.broadcast ?? (table.options.broadcast || interface.sharesHardwareAddress)
        settings.probes = request.probe == 0 ? 0 : min(3, max(1, request.probe / 100))
        settings.probeInterval = request.probe / max(1, settings.probes)
        settings.confirmationLimit = table.options.timeout
        settings.resendMaximum = table.options.resendMaximum
        settings.searchLimit = table.options.resendTimeout
        self.settings = settings
        client = DHCPClient(settings, seed: LeaseSession.seed())
        timer = table.loop.makeTimer { [self] in timeOut() }
        sockets = LeaseSockets(
            table.loop, index: interface.index, name: request.key.interfaceName, receive: { [self] in received($0, from: $1) },
            receiveARP: { [self] in received($0) }, malformed: { [table] in table.counters.malformed += 1 })
    }

    private static func seed() -> UInt64 {
        var seed: UInt64 = 0
        return getrandom(&seed, 8, 0) == 8 ? seed : UInt64(truncatingIfNeeded: Clock.microseconds)
    }

    private var now: Int { table.loop.now }

    // MARK: Beginning

    /// Begins the search, once the link can carry it.
    func start(isOperational: Bool) {
        if isOperational { return perform(client.start(at: now)) }
        waitsForLink = true
        table.loop.set(timer, to: now + LeaseSession.linkLimit)
    }

    /// The link can carry packets.
    func linkIsUp() {
        if waitsForLink { begin() }
    }

    private func begin() {
        waitsForLink = false
        perform(client.start(at: now))
    }

    /// Goes on after a restart of the daemon.
    func resume(_ lease: DHCPLease?) {
        configured = lease
        perform(lease.map { client.resume($0, at: now) } ?? client.start(at: now, givingUp: false))
    }

    // MARK: Events

    private func timeOut() {
        if waitsForLink { return begin() }
        if let until = listenUntil, until <= now { closeSockets() }
        perform(client.timeOut(at: now))
    }

    private func received(_ message: DHCPMessage, from hardware: [UInt8]) {
        if let kind = message.kind { table.counters.received[kind, default: 0] += 1 }
        // What comes by unicast does not tell: the server is where it was.
        perform(client.receive(message, from: hardware.isEmpty ? client.lease?.serverHardware ?? [] : hardware, at: now))
    }

    private func received(_ packet: ARPPacket) {
        guard client.state == .probing, let address = client.lease?.address.address,
            packet.conflicts(with: address, hardware: interface.mac.bytes)
        else { return }
        perform(client.addressInUse(by: MACAddress(bytes: packet.senderHardware)?.text ?? "another host", at: now))
    }

    // MARK: Actions

    private func perform(_ actions: [DHCPClient.Action]) {
        for action in actions where isLive {
            switch action {
            case .send(let message, let delivery): send(message, delivery)
            case .probe(let address):
                inContainer { (sockets) throws(CNIError) in try sockets.probe(address, hardware: self.interface.mac.bytes) }
            case .granted(let lease, let before): granted(lease, before: before)
            case .lost(let lease, let reason): lost(lease, reason)
            case .failed(let reason): failed(reason)
            }
        }
        schedule()
    }

    private var isLive: Bool { ended == nil && !isDisposed }

    private func schedule() {
        if !isLive { return }
        // While there is a lease, and between two attempts of a search that may last, nothing is listened to for long.
        if !client.state.hasLease && waiter != nil { listenUntil = nil }
        let times = [client.deadline, listenUntil].compactMap { $0 }
        table.loop.set(timer, to: times.min())
    }

    private func send(_ message: DHCPMessage, _ delivery: DHCPClient.Delivery) {
        if let kind = message.kind { table.counters.sent[kind, default: 0] += 1 }
        listenUntil = now + LeaseSession.listening
        inContainer { (sockets) throws(CNIError) in
            switch delivery {
            case .broadcast(let source): try sockets.broadcast(message, from: source)
            case .unicast(let server, let source): try sockets.unicast(message, to: server, from: source)
            }
        }
    }

    private func closeSockets() {
        sockets?.close()
        listenUntil = nil
    }

    /// Runs `body` in the container. An interface that is gone ends the session; another failure is left to the next attempt.
    private func inContainer(_ body: (LeaseSockets) throws(CNIError) -> Void) {
        guard let sockets else { return }
        do throws(CNIError) {
            let done: Void? = try ContainerNamespace.enter(path, request.key.interfaceName, interface) { () throws(CNIError) in
                try body(sockets)
            }
            if done == nil { vanished("interface \(request.key.interfaceName) is not in \(request.netns) any more") }
        } catch {
            table.counters.sendFailures += 1
            Log.write(.warning, "\(request.key.text): \(error.text)")
        }
    }

    private var path: String { table.options.hostPrefix + request.netns }

    private func granted(_ lease: DHCPLease, before: DHCPLease?) {
        closeSockets()
        let isFirst = configured == nil && waiter != nil
        if before == nil { table.counters.granted += 1 } else { table.counters.renewed += 1 }
        Log.write(
            before == nil ? .info : .debug,
            "\(request.key.text): \(lease.address.text) from \(lease.server.text)\(LeaseSession.duration(lease))")
        if !isFirst, !adopt(lease) { return }
        configured = lease
        do throws(CNIError) {
            try save(isNew: before == nil)
        } catch {
            // One that could not be given back after a restart is not handed out.
            if isFirst { return giveUp(error) }
            Log.write(.warning, error.text)
        }
        answer(.success(lease))
    }

    private static func duration(_ lease: DHCPLease) -> String { lease.duration.map { " for \($0 / 1000) s" } ?? " for ever" }

    /// Gives the interface what a lease says that is not the first one. False where the change is not to be applied: then it has ended.
    private func adopt(_ lease: DHCPLease) -> Bool {
        if let configured, InterfaceChange.isNone(configured, lease) { return true }
        table.counters.changed += 1
        let former = configured.map { "\($0.address.text), \(LeaseSession.routes($0))" } ?? "none"
        let change = "lease changed from \(former) to \(lease.address.text), \(LeaseSession.routes(lease))"
        if request.change == .release {
            end(change, removing: configured)
            return false
        }
        Log.write(.warning, "\(request.key.text): \(change): applying it")
        configure(from: configured, to: lease)
        return true
    }

    private static func routes(_ lease: DHCPLease) -> String {
        let texts = lease.routes.map { "\($0.destination.text) via \($0.gateway?.text ?? "the link")" }
        return texts.isEmpty ? "no routes" : texts.joined(separator: ", ")
    }

    private func configure(from old: DHCPLease?, to new: DHCPLease?) {
        let change = InterfaceChange(index: interface.index, name: request.key.interfaceName, priority: request.priority)
        inContainer { (_) throws(CNIError) in try change.apply(from: old, to: new) }
    }

    private func lost(_ lease: DHCPLease, _ reason: String) {
        table.counters.lost += 1
        Log.write(.warning, "\(request.key.text): lost \(lease.address.text): \(reason)")
        if request.change == .release { return end("lost \(lease.address.text): \(reason)", removing: configured) }
        configure(from: configured, to: nil)
        configured = nil
        do throws(CNIError) { try save(isNew: false) } catch { Log.write(.warning, error.text) }
    }

    private func failed(_ reason: String) {
        table.counters.failed += 1
        giveUp(CNIError(.tryAgainLater, "get a lease for \(request.key.interfaceName): \(reason)", details: LeaseSession.advice))
    }

    private static let advice = "is there a DHCP server on the network that the interface is connected to, with a free address?"

    /// The first search has come to nothing.
    private func giveUp(_ error: CNIError) {
        Log.write(.warning, "\(request.key.text): \(error.text)")
        let waiter = waiter
        self.waiter = nil
        table.remove(self)
        waiter?(.failure(error))
    }

    private func answer(_ result: Result<DHCPLease, CNIError>) {
        let waiter = waiter
        self.waiter = nil
        waiter?(result)
    }

    private func save(isNew: Bool) throws(CNIError) {
        try table.store.write(LeaseFile(request: request, interface: interface, lease: configured), isNew: isNew)
    }

    // MARK: Ending

    /// Gives a lease back that is not to be kept, takes its address from the interface, and keeps the reason for CHECK and for people.
    private func end(_ reason: String, removing lease: DHCPLease?) {
        Log.write(.warning, "\(request.key.text): \(reason): released")
        configure(from: lease, to: nil)
        release()
        ended = reason
        configured = nil
        table.store.remove(request.key)
    }

    /// Sends RELEASE where there is a lease, closes all, and stops. From the container, else from the host.
    func release() {
        let lease = client.lease
        let message = client.stop()
        table.loop.set(timer, to: nil)
        if let message, let lease {
            table.counters.sent[.release, default: 0] += 1
            table.counters.released += 1
            let isSent = releaseFromContainer(message, lease)
            if !isSent { releaseFromHost(message, lease) }
            Log.write(
                .info, "\(request.key.text): gave \(lease.address.text) back to \(lease.server.text)\(isSent ? "" : " from the host")")
        }
        closeSockets()
    }

    private func releaseFromContainer(_ message: DHCPMessage, _ lease: DHCPLease) -> Bool {
        guard let sockets, ended == nil, lease.serverHardware.count == 6 else { return false }
        do throws(CNIError) {
            let change = InterfaceChange(index: interface.index, name: request.key.interfaceName, priority: request.priority)
            let done: Void? = try ContainerNamespace.enter(path, request.key.interfaceName, interface) { () throws(CNIError) in
                // What is given back must not be used any more, however long the interface lives on.
                try change.apply(from: configured, to: nil)
                try sockets.direct(message, to: lease.server, hardware: lease.serverHardware, from: lease.address.address)
            }
            return done != nil
        } catch {
            Log.write(.debug, "\(request.key.text): RELEASE from the container: \(error.text)")
            return false
        }
    }

    private func releaseFromHost(_ message: DHCPMessage, _ lease: DHCPLease) {
        let socket = clinux_udp_socket(0, 0, nil)
        let bytes = message.encoded()
        if socket < 0 || clinux_udp_send(socket, UInt32(truncatingIfNeeded: lease.server.low), 67, bytes, bytes.count) < 0 {
            table.counters.sendFailures += 1
            Log.write(.warning, "\(request.key.text): RELEASE from the host to \(lease.server.text): \(Errno.current.text)")
        }
        if socket >= 0 { _ = CLinux.close(socket) }
    }

    /// The interface, or the namespace with it, is gone without DEL.
    func vanished(_ reason: String) {
        if isDisposed { return }
        if ended == nil {
            Log.write(.warning, "\(request.key.text): \(reason)")
            table.counters.vanished += 1
        }
        let waiter = waiter
        self.waiter = nil
        table.remove(self)
        waiter?(.failure(CNIError("get a lease: \(reason)")))
    }

    /// Lets go of all that would keep this object: to be called last.
    func dispose() {
        isDisposed = true
        closeSockets()
        sockets = nil
        table.loop.remove(timer)
    }

    // MARK: For people

    /// The lease; nil where there is none.
    var lease: DHCPLease? { client.state.hasLease && ended == nil ? client.lease : nil }

    /// Where it stands, in a word.
    var state: String {
        if ended != nil { return "ended" }
        if waitsForLink { return "waiting-for-link" }
        switch client.state {
        case .stopped: return "stopped"
        case .selecting: return "selecting"
        case .requesting: return "requesting"
        case .probing: return "probing"
        case .pausing: return "pausing"
        case .bound: return "bound"
        case .renewing: return "renewing"
        case .rebinding: return "rebinding"
        }
    }

    /// What went wrong last; nil for nothing.
    var problem: String? { ended ?? client.lastProblem }
}
