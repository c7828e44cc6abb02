import CLinux
import CNI
import DHCP
import DHCPSocket
import Linux
import Netlink

/// One lease, of one family: what is done with the interface and the lease's file as its driver gets it, extends it, and loses it.
final class LeaseSession {
    /// How long the link may take to come up before the search begins all the same.
    private static let linkLimit = 2_500

    /// What was asked for.
    let request: LeaseRequest
    /// What it is known by.
    let key: SessionKey
    /// The interface.
    let interface: LeaseFile.Interface
    /// The number of its namespace.
    let namespace: Int32
    /// All leases.
    let table: LeaseTable
    /// Who waits for the lease; nil once there was one.
    var waiter: Waiter?
    /// Why there will be no lease any more; nil as long as there is one or may be one.
    private(set) var ended: String?

    private var driver: (any LeaseDriver)?
    private var timer = 0
    private var waitsForLink = false
    /// The lease whose addresses and routes the interface has.
    private(set) var configured: Lease?
    private var isDisposed = false

    /// Called once: with the lease, nil where there is none and need not be, or with why there is none.
    typealias Waiter = (Result<Lease?, CNIError>) -> Void

    init(
        _ table: LeaseTable, _ request: LeaseRequest, _ family: IPAddress.Family, _ interface: LeaseFile.Interface, namespace: Int32
    ) {
        self.table = table
        self.request = request
        key = SessionKey(request.key, family)
        self.interface = interface
        self.namespace = namespace
        timer = table.loop.makeTimer { [self] in timeOut() }
        if let ipv6 = request.ipv6, family == .v6 { driver = IPv6Driver(self, ipv6) } else { driver = DHCPv4Driver(self) }
    }

    /// A number to begin a state machine's random ones with.
    static func seed() -> UInt64 {
        var seed: UInt64 = 0
        return getrandom(&seed, 8, 0) == 8 ? seed : UInt64(truncatingIfNeeded: Clock.microseconds)
    }

    /// The time, by the event loop's clock.
    var now: Int { table.loop.now }

    // MARK: Beginning

    /// Begins the search, once the link can carry it.
    func start(isOperational: Bool) {
        if isOperational { return begin() }
        waitsForLink = true
        table.loop.set(timer, to: now + LeaseSession.linkLimit)
    }

    /// The link can carry packets.
    func linkIsUp() {
        if waitsForLink { begin() }
    }

    private func begin() {
        waitsForLink = false
        driver?.start(givingUp: true)
        schedule()
    }

    /// Goes on after a restart of the daemon.
    func resume(_ lease: Lease?) {
        configured = lease
        if let lease { driver?.resume(lease) } else { driver?.start(givingUp: false) }
        schedule()
    }

    // MARK: Events

    private func timeOut() {
        if waitsForLink { return begin() }
        driver?.timeOut()
        schedule()
    }

    /// An IPv6 address of the interface is new or has changed.
    func addressChanged(_ info: AddressInfo) {
        driver?.addressChanged(info)
        schedule()
    }

    /// Whether it goes on: neither ended nor given up.
    var isLive: Bool { ended == nil && !isDisposed }

    /// Sets the timer to the driver's time.
    func schedule() {
        if isLive && !waitsForLink { table.loop.set(timer, to: driver?.deadline) }
    }

    /// Runs `body` in the container. An interface that is gone ends the session; another failure is left to the next attempt.
    func inContainer(_ body: () throws(CNIError) -> Void) {
        do throws(CNIError) {
            let done: Void? = try ContainerNamespace.enter(path, request.key.interfaceName, interface) { () throws(CNIError) in
                try body()
            }
            if done == nil { vanished("interface \(request.key.interfaceName) is not in \(request.netns) any more") }
        } catch {
            table.counters.sendFailures += 1
            Log.write(.warning, "\(key.text): \(error.text)")
        }
    }

    /// The path of the interface's network namespace.
    var path: String { table.options.hostPrefix + request.netns }

    // MARK: What the driver reports

    /// There is a lease: the first one, an extension, or one in place of one that was lost.
    func granted(_ lease: Lease, before: Lease?) {
        driver?.closeSockets()
        let isFirst = configured == nil && waiter != nil
        if before == nil { table.counters.granted += 1 } else { table.counters.renewed += 1 }
        Log.write(before == nil ? .info : .debug, "\(key.text): \(lease.description)")
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

    /// Gives the interface what a lease says that is not the first one. False where the change is not to be applied: then it has ended.
    private func adopt(_ lease: Lease) -> Bool {
        if let configured, InterfaceChange.isNone(configured, lease) { return true }
        table.counters.changed += 1
        let change = "lease changed from \(configured?.configuration ?? "none") to \(lease.configuration)"
        if request.change == .release {
            end(change, removing: configured)
            return false
        }
        Log.write(.warning, "\(key.text): \(change): applying it")
        configure(from: configured, to: lease)
        return true
    }

    private var change: InterfaceChange {
        InterfaceChange(index: interface.index, name: request.key.interfaceName, priority: request.priority)
    }

    private func configure(from old: Lease?, to new: Lease?) {
        inContainer { () throws(CNIError) in try change.apply(from: old, to: new) }
    }

    /// The lease is no more; the search for another one has begun.
    func lost(_ lease: Lease, _ reason: String) {
        table.counters.lost += 1
        Log.write(.warning, "\(key.text): lost \(lease.text): \(reason)")
        if request.change == .release { return end("lost \(lease.text): \(reason)", removing: configured) }
        configure(from: configured, to: nil)
        configured = nil
        do throws(CNIError) { try save(isNew: false) } catch { Log.write(.warning, error.text) }
    }

    /// The first search has come to nothing.
    func failed(_ reason: String, advice: String) {
        table.counters.failed += 1
        giveUp(CNIError(.tryAgainLater, "get a lease for \(request.key.interfaceName): \(reason)", details: advice))
    }

    /// There is no lease to be had, and there need not be one.
    func absent(_ reason: String) {
        Log.write(.info, "\(key.text): \(reason): it gets no address")
        finish(.success(nil))
    }

    private func giveUp(_ error: CNIError) {
        Log.write(.warning, "\(key.text): \(error.text)")
        finish(.failure(error))
    }

    /// Ends the session, then tells who waits.
    private func finish(_ result: Result<Lease?, CNIError>) {
        let waiter = waiter
        self.waiter = nil
        table.remove(self)
        waiter?(result)
    }

    private func answer(_ result: Result<Lease?, CNIError>) {
        let waiter = waiter
        self.waiter = nil
        waiter?(result)
    }

    private func save(isNew: Bool) throws(CNIError) {
        let file = LeaseFile(request: request, family: key.family, interface: interface, lease: configured)
        try table.store.write(file, isNew: isNew)
    }

    // MARK: Ending

    /// Gives a lease back that is not to be kept, takes its address from the interface, and keeps the reason for CHECK and for people.
    private func end(_ reason: String, removing lease: Lease?) {
        Log.write(.warning, "\(key.text): \(reason): released")
        configure(from: lease, to: nil)
        configured = nil
        release()
        ended = reason
        table.store.remove(key)
    }

    /// Gives the lease back where there is one, closes all, and stops.
    func release() {
        let lease = driver?.lease
        table.loop.set(timer, to: nil)
        let outcome = driver?.release { [self] in
            // What is given back must not be used any more, however long the interface lives on.
            do throws(CNIError) { try change.apply(from: configured, to: nil) } catch { Log.write(.debug, "\(key.text): \(error.text)") }
        }
        if let lease, let outcome { Log.write(.info, "\(key.text): gave \(lease.text) back to \(lease.giver.text)\(outcome)") }
        driver?.closeSockets()
    }

    /// The interface, or the namespace with it, is gone without DEL.
    func vanished(_ reason: String) {
        if isDisposed { return }
        if ended == nil {
            Log.write(.warning, "\(key.text): \(reason)")
            table.counters.vanished += 1
        }
        finish(.failure(CNIError("get a lease: \(reason)")))
    }

    /// Lets go of all that would keep this object: to be called last.
    func dispose() {
        isDisposed = true
        driver?.closeSockets()
        driver?.dispose()
        driver = nil
        table.loop.remove(timer)
    }

    // MARK: For people

    /// The lease; nil where there is none.
    var lease: Lease? { driver?.hasLease == true && ended == nil ? driver?.lease : nil }

    /// Where it stands, in a word.
    var state: String {
        if ended != nil { return "ended" }
        return waitsForLink ? "waiting-for-link" : driver?.state ?? "stopped"
    }

    /// What went wrong last; nil for nothing.
    var problem: String? { ended ?? driver?.problem }
}
