import CNI
import DHCP
import DHCPSocket
import Linux
import Namespace
import Netlink

/// Gets IPv6 addresses: ``IPv6Client`` with its sockets.
///
/// The daemon owns addresses, the kernel what routers advertise: routes, MTU, hop limit. Once an interface plugin has set the addresses, they
/// get the lease's lifetimes, so that the kernel ends them in time whatever becomes of the daemon; and those of a router's network are left
/// to the kernel altogether, which hears what the router says of them from then on.
final class IPv6Driver: LeaseDriver {
    /// How long an answer may take before the sockets are closed, while a lease is there.
    private static let listening = 10_000
    /// How long the kernel may take to have a link-local address ready: duplicate address detection takes two seconds at most.
    private static let linkLocalLimit = 4_000

    private let session: LeaseSession
    private let request: IPv6Request
    private var client: IPv6Client?
    private var sockets: IPv6Sockets?
    private var listenUntil: Int?
    /// Until when a link-local address is waited for; nil where it is not.
    private var linkLocalDeadline: Int?
    private var givesUp = true

    init(_ session: LeaseSession, _ request: IPv6Request) {
        self.session = session
        self.request = request
        let table = session.table
        sockets = IPv6Sockets(
            table.loop, index: session.interface.index, name: session.request.key.interfaceName,
            receive: { [self] in received($0, from: $1) }, receiveAdvertisement: { [self] in received($0, from: $1) },
            receiveNeighbour: { [self] in received($0, $1) }, malformed: { table.counters.malformed += 1 })
    }

    private func makeClient(_ linkLocal: IPAddress) -> IPv6Client {
        var settings = IPv6ClientSettings(
            request.mode, interfaceIdentifier: linkLocal.low, clientIdentifier: request.clientIdentifier,
            association: request.association)
        let options = session.table.options
        settings.rapidCommit = request.rapidCommit
        (settings.probes, settings.probeInterval) = session.request.probes
        settings.confirmationLimit = options.timeout
        settings.resendMaximum = options.resendMaximum
        settings.searchLimit = options.resendTimeout
        return IPv6Client(settings, seed: LeaseSession.seed())
    }

    var lease: Lease? { client?.lease.map { .v6($0) } }
    var hasLease: Bool { client?.state.hasLease ?? false }
    var problem: String? { client?.lastProblem }

    var deadline: Int? {
        if let linkLocalDeadline { return linkLocalDeadline }
        if !hasLease && session.waiter != nil { listenUntil = nil }
        return [client?.deadline, listenUntil].compactMap { $0 }.min()
    }

    var state: String {
        if linkLocalDeadline != nil { return "waiting-for-link" }
        switch client?.state ?? .stopped {
        case .stopped: return "stopped"
        case .discovering: return "discovering"
        case .soliciting: return "soliciting"
        case .requesting: return "requesting"
        case .probing: return "probing"
        case .declining: return "declining"
        case .pausing: return "pausing"
        case .bound: return "bound"
        case .renewing: return "renewing"
        case .rebinding: return "rebinding"
        }
    }

    // MARK: Beginning

    /// Begins the search, once there is a link-local address to send from.
    func start(givingUp: Bool) {
        givesUp = givingUp
        guard let linkLocal = findLinkLocal() else {
            if session.isLive { linkLocalDeadline = session.now + IPv6Driver.linkLocalLimit }
            return
        }
        begin(linkLocal)
    }

    private func begin(_ linkLocal: IPAddress) {
        linkLocalDeadline = nil
        var client = makeClient(linkLocal)
        let actions = client.start(at: session.now, givingUp: givesUp)
        self.client = client
        perform(actions)
    }

    private func findLinkLocal() -> IPAddress? {
        var found: IPAddress?
        session.inContainer { () throws(CNIError) in
            found = try InterfaceAddresses(session.interface.index).linkLocal
        }
        return found
    }

    func resume(_ lease: Lease) {
        guard case .v6(let lease) = lease else { return }
        // Without one there is nothing to send from either, until the next attempt.
        var client = makeClient(findLinkLocal() ?? session.interface.mac.linkLocal)
        let actions = client.resume(lease, at: session.now)
        self.client = client
        perform(actions)
        if hasLease { limitAddresses() }
    }

    // MARK: Events

    func timeOut() {
        if linkLocalDeadline != nil { return linkLocalIsLate() }
        if let until = listenUntil, until <= session.now { closeSockets() }
        perform(client?.timeOut(at: session.now) ?? [])
    }

    private func linkLocalIsLate() {
        if let linkLocal = findLinkLocal() { return begin(linkLocal) }
        linkLocalDeadline = session.now + session.table.options.resendMaximum
        guard session.isLive, givesUp else { return }
        session.failed(
            "it has no link-local address that can be used", advice: "is its hardware address another's on the link? See dmesg.")
    }

    /// An address of the interface is new or has changed: the link-local one that is waited for, or one of the lease that an interface plugin
    /// has set.
    func addressChanged(_ info: AddressInfo) {
        if linkLocalDeadline != nil && info.isUsableLinkLocal { return begin(info.address.address) }
        guard hasLease, info.isPermanent, client?.lease?.lifetimes(of: info.address.address, at: session.now) != nil else { return }
        limitAddresses()
    }

    private func received(_ message: DHCPv6Message, from server: IPAddress) {
        session.table.counters.received6[message.kind, default: 0] += 1
        perform(client?.receive(message, from: server, at: session.now) ?? [])
        session.schedule()
    }

    private func received(_ advertisement: RouterAdvertisement, from router: IPAddress) {
        session.table.counters.advertisements += 1
        perform(client?.receive(advertisement, from: router, at: session.now) ?? [])
        session.schedule()
    }

    private func received(_ target: IPAddress, _ hardware: [UInt8]?) {
        let owner = hardware.flatMap { MACAddress(bytes: $0)?.text } ?? "another host"
        perform(client?.addressInUse(target, by: owner, at: session.now) ?? [])
        session.schedule()
    }

    // MARK: Actions

    private func perform(_ actions: [IPv6Client.Action]) {
        for action in actions where session.isLive {
            switch action {
            case .send(let message): send(message)
            case .solicitRouters:
                session.table.counters.solicitations += 1
                listenUntil = session.now + IPv6Driver.listening
                withSockets { (sockets) throws(CNIError) in try sockets.solicitRouters(hardware: self.session.interface.mac.bytes) }
            case .probe(let address):
                withSockets { (sockets) throws(CNIError) in try sockets.probe(address, hardware: self.session.interface.mac.bytes) }
            case .granted(let lease, let before):
                session.granted(.v6(lease), before: before.map { .v6($0) })
                if before != nil && session.isLive { limitAddresses() }
            case .lost(let lease, let reason): session.lost(.v6(lease), reason)
            case .failed(let reason): session.failed(reason, advice: advice)
            case .absent(let reason): absent(reason)
            }
        }
    }

    private var advice: String {
        switch request.mode {
        case .dhcp: "is there a DHCPv6 server on the network that the interface is connected to, with a free address?"
        case .slaac: "is there a router on the network that the interface is connected to, which advertises a network with the flag A?"
        case .auto: "is there a router on the network that the interface is connected to, and a DHCPv6 server where it sets the flag M?"
        }
    }

    /// No router says that there is IPv6 here. Where IPv4 is asked for too, that is enough: the kernel may do as it likes.
    private func absent(_ reason: String) {
        guard session.request.ipv4 else { return session.failed(reason, advice: advice) }
        session.inContainer { () throws(CNIError) in try setAutoconf("1") }
        if session.isLive { session.absent(reason) }
    }

    private func setAutoconf(_ value: String) throws(CNIError) {
        try Sysctl.ensure(value, at: ["net", "ipv6", "conf", session.request.key.interfaceName, "autoconf"])
    }

    private func send(_ message: DHCPv6Message) {
        session.table.counters.sent6[message.kind, default: 0] += 1
        listenUntil = session.now + IPv6Driver.listening
        withSockets { (sockets) throws(CNIError) in try sockets.send(message) }
    }

    private func withSockets(_ body: (IPv6Sockets) throws(CNIError) -> Void) {
        guard let sockets else { return }
        session.inContainer { () throws(CNIError) in try body(sockets) }
    }

    /// Gives the lease's lifetimes to those of its addresses that the interface has; and lets the kernel go on with those of a router's
    /// network.
    private func limitAddresses() {
        guard let lease = client?.lease else { return }
        session.inContainer { () throws(CNIError) in
            let isAll = try InterfaceAddresses(session.interface.index).limit(to: lease, at: session.now)
            if isAll && lease.grant == nil { try setAutoconf("1") }
        }
    }

    // MARK: Ending

    /// Sends RELEASE where a server has granted the lease. That goes to all servers on the link, so that it can't be sent from elsewhere: of
    /// an interface that is gone the lease ends by itself.
    func release(removing remove: () -> Void) -> String? {
        let hadLease = hasLease
        let message = client?.stop()
        guard let sockets, session.isLive, hadLease || message != nil else { return nil }
        do throws(CNIError) {
            let done: Void? = try ContainerNamespace.enter(session.path, session.request.key.interfaceName, session.interface) {
                () throws(CNIError) in
                remove()
                if let message { try sockets.send(message) }
            }
            guard message != nil else { return nil }
            if done != nil {
                session.table.counters.sent6[.release, default: 0] += 1
                session.table.counters.released += 1
                return ""
            }
        } catch {
            session.table.counters.sendFailures += 1
            Log.write(.warning, "\(session.key.text): RELEASE: \(error.text)")
        }
        if message != nil { Log.write(.info, "\(session.key.text): the lease is not given back: it ends by itself") }
        return nil
    }

    func closeSockets() {
        sockets?.close()
        listenUntil = nil
    }

    func dispose() { sockets = nil }
}
