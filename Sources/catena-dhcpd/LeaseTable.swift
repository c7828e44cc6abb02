import CLinux
import CNI
import DHCP
import DHCPSocket
import JSON
import Linux
import Netlink

/// All leases, and what is done with them.
final class LeaseTable {
    let loop: EventLoop
    let options: DaemonOptions
    let store: LeaseStore
    var counters = Counters()

    private var sessions: [LeaseKey: LeaseSession] = [:]
    /// The keys of the sessions in each namespace, by its number.
    private var byNamespace: [Int32: Set<LeaseKey>] = [:]
    private let host: NetlinkSocket?

    init(_ loop: EventLoop, _ options: DaemonOptions, _ store: LeaseStore) {
        self.loop = loop
        self.options = options
        self.store = store
        host = try? NetlinkSocket.open()
    }

    // MARK: Requests

    /// Gets a lease, and tells `waiter`. One that is there for the same interface is told again.
    func allocate(_ request: LeaseRequest, _ waiter: @escaping LeaseSession.Waiter) throws(CNIError) {
        let (interface, namespace, isOperational) = try ContainerNamespace.prepare(
            options.hostPrefix + request.netns, request.key.interfaceName, number: number)
        if let session = sessions[request.key] {
            if let lease = session.lease, session.interface == interface { return waiter(.success(lease)) }
            // The interface was made anew, or an earlier ADD has given up waiting.
            release(request.key)
        }
        let session = LeaseSession(self, request, interface, namespace: namespace)
        session.waiter = waiter
        insert(session)
        session.start(isOperational: isOperational)
    }

    /// Takes back a request whose client has gone away.
    func abandon(_ key: LeaseKey) {
        guard sessions[key]?.waiter != nil else { return }
        Log.write(.warning, "\(key.text): the client went away before there was a lease")
        sessions[key]?.waiter = nil
        release(key)
    }

    /// Gives a lease back. One that is not known is no error.
    func release(_ key: LeaseKey) {
        guard let session = sessions[key] else { return }
        let waiter = session.waiter
        session.waiter = nil
        remove(session)
        waiter?(.failure(CNIError(.tryAgainLater, "get a lease: DEL, or another ADD, came in between")))
    }

    /// Gives a session's lease back and forgets it.
    func remove(_ session: LeaseSession) {
        session.release()
        let key = session.request.key
        sessions[key] = nil
        byNamespace[session.namespace]?.remove(key)
        if byNamespace[session.namespace]?.isEmpty ?? false { byNamespace[session.namespace] = nil }
        store.remove(key)
        session.dispose()
    }

    /// The lease of an attachment. Throws why there is none.
    func check(_ key: LeaseKey) throws(CNIError) -> DHCPLease {
        guard let session = sessions[key] else { throw CNIError("there is no lease for \(key.text)", details: "run DEL and ADD") }
        if let lease = session.lease { return lease }
        throw CNIError(
            "there is no lease for \(key.text) at present", details: "\(session.state): \(session.problem ?? "it is being searched for")")
    }

    /// Gives back all leases of a network that no valid attachment holds. Returns how many.
    func collect(network: String, valid: [Attachment]) -> Int {
        let valid = Set(valid)
        let stale = sessions.keys.filter { $0.network == network && !valid.contains($0.attachment) }
        for key in stale { release(key) }
        return stale.count
    }

    private func insert(_ session: LeaseSession) {
        sessions[session.request.key] = session
        byNamespace[session.namespace, default: []].insert(session.request.key)
    }

    /// The number of a namespace; -1 where it can't be had: what happens there is then not heard of before the next renewal.
    private func number(_ descriptor: Int32) -> Int32 { (try? host?.namespaceID(of: descriptor)) ?? -1 }

    // MARK: Restart

    /// Takes up the leases on disk. Interfaces that are gone meanwhile are given up.
    func resume() {
        let began = Clock.microseconds
        store.forEach { file in
            let key = file.request.key
            let found = try? ContainerNamespace.number(options.hostPrefix + file.request.netns, key.interfaceName, file.interface, number)
            let session = LeaseSession(self, file.request, file.interface, namespace: found ?? -1)
            insert(session)
            session.resume(file.lease)
            counters.resumed += 1
            if found == nil { session.vanished("interface \(key.interfaceName) went away while the daemon was not running") }
        }
        if counters.resumed > 0 { Log.write(.info, "resumed \(counters.resumed) leases in \((Clock.microseconds - began) / 1000) ms") }
    }

    /// Takes up the notes of modules that could not reach the daemon.
    func takeNotes() {
        for key in store.takeNotes() { release(key) }
    }

    // MARK: Events of the kernel

    /// What has happened to links and namespaces.
    func handle(_ events: [NamespaceEvents.Event]) {
        for event in events {
            switch event {
            case .changed(let namespace, let link):
                if link.canSend { find(namespace, link.index)?.linkIsUp() }
            case .gone(let namespace, let index):
                if let session = find(namespace, index) { session.vanished("interface \(session.request.key.interfaceName) was removed") }
            case .namespaceGone(let namespace):
                for key in byNamespace[namespace] ?? [] { sessions[key]?.vanished("its network namespace is gone") }
            case .missed: lookAtAll()
            }
        }
    }

    private func find(_ namespace: Int32, _ index: Int32) -> LeaseSession? {
        guard namespace >= 0 else { return nil }
        for key in byNamespace[namespace] ?? [] {
            if let session = sessions[key], session.interface.index == index { return session }
        }
        return nil
    }

    private func lookAtAll() {
        for session in Array(sessions.values) {
            let request = session.request
            let found = try? ContainerNamespace.number(
                options.hostPrefix + request.netns, request.key.interfaceName, session.interface, number)
            if found == nil { session.vanished("interface \(request.key.interfaceName) is not in \(request.netns) any more") }
        }
    }

    // MARK: For people

    /// All leases, sorted by network, container and interface.
    var list: JSON {
        let sorted = sessions.values.sorted { $0.request.key.fileName < $1.request.key.fileName }
        return .array(sorted.map { .object(describe($0)) })
    }

    private func describe(_ session: LeaseSession) -> JSONObject {
        var object = session.request.key.json
        object["netns"] = .string(session.request.netns)
        object["mac"] = .string(session.interface.mac.text)
        object["state"] = .string(session.state)
        if let lease = session.lease {
            object["address"] = .string(lease.address.text)
            object["server"] = .string(lease.server.text)
            if let router = lease.routers.first { object["gateway"] = .string(router.text) }
            if !lease.dns.isEmpty { object["dns"] = ResultFormat.encode(lease.dns) }
            if let mtu = lease.mtu { object["mtu"] = .integer(Int64(mtu)) }
            if !lease.timeServers.isEmpty { object["ntp"] = .array(lease.timeServers.map { .string($0.text) }) }
            object["age"] = .integer(Int64((loop.now - lease.start) / 1000))
            if let end = lease.end {
                object["renewIn"] = .integer(Int64((lease.start + lease.renewal.t1 - loop.now) / 1000))
                object["endsIn"] = .integer(Int64((end - loop.now) / 1000))
            }
        }
        if let problem = session.problem { object["problem"] = .string(problem) }
        return object
    }

    /// Counters and the number of leases in each state.
    var metrics: String {
        var counts: [String: Int] = [:]
        for session in sessions.values { counts[session.state, default: 0] += 1 }
        return counters.text(states: counts.keys.sorted().map { ($0, counts[$0] ?? 0) })
    }
}
