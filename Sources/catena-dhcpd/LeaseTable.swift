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

    private var sessions: [SessionKey: LeaseSession] = [:]
    /// The keys of the sessions in each namespace, by its number.
    private var byNamespace: [Int32: Set<SessionKey>] = [:]
    /// The requests that are not answered yet.
    private var allocations: [LeaseKey: Allocation] = [:]
    private let host: NetlinkSocket?

    init(_ loop: EventLoop, _ options: DaemonOptions, _ store: LeaseStore) {
        self.loop = loop
        self.options = options
        self.store = store
        host = try? NetlinkSocket.open()
    }

    // MARK: Requests

    /// Gets what is asked for, and tells `waiter`. A lease that is there for the same interface is told again.
    func allocate(_ request: LeaseRequest, _ waiter: @escaping (Result<CNIResult, CNIError>) -> Void) throws(CNIError) {
        let path = options.hostPrefix + request.netns
        let name = request.key.interfaceName
        let key6 = SessionKey(request.key, .v6)
        let isNew6 = request.ipv6 != nil && sessions[key6]?.lease == nil
        var found = try ContainerNamespace.prepare(path, name, ipv6: isNew6, number: number)
        let stale = families(request.key).filter { sessions[$0]?.lease == nil || sessions[$0]?.interface != found.interface }
        // The interface was made anew, or an earlier ADD has given up waiting.
        if !stale.isEmpty { drop(stale) }
        if request.ipv6 != nil && !isNew6 && sessions[key6] == nil {
            found = try ContainerNamespace.prepare(path, name, ipv6: true, number: number)
        }
        let allocation = Allocation(request) { [self] in
            allocations[request.key] = nil
            waiter($0)
        }
        allocations[request.key] = allocation
        for family in request.families where !allocation.isDone {
            let key = SessionKey(request.key, family)
            if let session = sessions[key] {
                allocation.take(.success(session.lease), family)
                continue
            }
            let session = LeaseSession(self, request, family, found.interface, namespace: found.namespace)
            session.waiter = { [self] in
                allocation.take($0, family)
                // All or nothing.
                if case .failure = $0 { drop(allocation.began) }
            }
            allocation.began.append(key)
            insert(session)
            session.start(isOperational: found.isOperational)
        }
    }

    private func families(_ key: LeaseKey) -> [SessionKey] { [SessionKey(key, .v4), SessionKey(key, .v6)] }

    /// Takes back a request whose client has gone away.
    func abandon(_ key: LeaseKey) {
        guard let allocation = allocations.removeValue(forKey: key) else { return }
        Log.write(.warning, "\(key.text): the client went away before there was a lease")
        allocation.cancel()
        drop(allocation.began)
    }

    /// Gives leases back. What is not known is no error.
    func release(_ key: LeaseKey) { drop(families(key)) }

    private func drop(_ keys: [SessionKey]) {
        for key in keys {
            guard let session = sessions[key] else { continue }
            let waiter = session.waiter
            session.waiter = nil
            remove(session)
            waiter?(.failure(CNIError(.tryAgainLater, "get a lease: DEL, or another ADD, came in between")))
        }
    }

    /// Gives a session's lease back and forgets it.
    func remove(_ session: LeaseSession) {
        session.release()
        let key = session.key
        sessions[key] = nil
        byNamespace[session.namespace]?.remove(key)
        if byNamespace[session.namespace]?.isEmpty ?? false { byNamespace[session.namespace] = nil }
        store.remove(key)
        session.dispose()
    }

    /// The leases of an attachment. Throws why there are none, or one of them is not there.
    func check(_ key: LeaseKey) throws(CNIError) -> [Lease] {
        let found = families(key).compactMap { sessions[$0] }
        if found.isEmpty { throw CNIError("there is no lease for \(key.text)", details: "run DEL and ADD") }
        var leases: [Lease] = []
        for session in found {
            guard let lease = session.lease else {
                throw CNIError(
                    "there is no lease for \(session.key.text) at present",
                    details: "\(session.state): \(session.problem ?? "it is being searched for")")
            }
            leases.append(lease)
        }
        return leases
    }

    /// Gives back all leases of a network that no valid attachment holds. Returns how many.
    func collect(network: String, valid: [Attachment]) -> Int {
        let valid = Set(valid)
        let stale = sessions.keys.filter { $0.key.network == network && !valid.contains($0.key.attachment) }
        drop(stale)
        return stale.count
    }

    private func insert(_ session: LeaseSession) {
        sessions[session.key] = session
        byNamespace[session.namespace, default: []].insert(session.key)
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
            let session = LeaseSession(self, file.request, file.family, file.interface, namespace: found ?? -1)
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
                if link.canSend { find(namespace, link.index).forEach { $0.linkIsUp() } }
            case .address(let namespace, let info):
                if info.address.address.family == .v6 { find(namespace, info.link).forEach { $0.addressChanged(info) } }
            case .gone(let namespace, let index):
                find(namespace, index).forEach { $0.vanished("interface \($0.request.key.interfaceName) was removed") }
            case .namespaceGone(let namespace):
                for key in byNamespace[namespace] ?? [] { sessions[key]?.vanished("its network namespace is gone") }
            case .missed: lookAtAll()
            }
        }
    }

    private func find(_ namespace: Int32, _ index: Int32) -> [LeaseSession] {
        guard namespace >= 0, let keys = byNamespace[namespace] else { return [] }
        return keys.compactMap { sessions[$0] }.filter { $0.interface.index == index }
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
        let sorted = sessions.values.sorted { $0.key.fileName < $1.key.fileName }
        return .array(sorted.map { .object(describe($0)) })
    }

    private func describe(_ session: LeaseSession) -> JSONObject {
        var object = session.request.key.json
        object["netns"] = .string(session.request.netns)
        object["mac"] = .string(session.interface.mac.text)
        object["family"] = .integer(Int64(session.key.family.rawValue))
        object["state"] = .string(session.state)
        if let lease = session.lease { describe(lease, &object) }
        if let problem = session.problem { object["problem"] = .string(problem) }
        return object
    }

    private func describe(_ lease: Lease, _ object: inout JSONObject) {
        object["address"] = .string(lease.text)
        object["server"] = .string(lease.giver.text)
        if let router = lease.gateway { object["gateway"] = .string(router.text) }
        if !lease.dns.isEmpty { object["dns"] = ResultFormat.encode(lease.dns) }
        switch lease {
        case .v4(let lease):
            if let mtu = lease.mtu { object["mtu"] = .integer(Int64(mtu)) }
            if !lease.timeServers.isEmpty { object["ntp"] = .array(lease.timeServers.map { .string($0.text) }) }
        case .v6(let lease):
            object["origin"] = .string(lease.origin)
            if let mtu = lease.router?.advertisement.mtu { object["mtu"] = .integer(Int64(mtu)) }
        }
        object["age"] = .integer(Int64((loop.now - lease.start) / 1000))
        if let renewal = lease.renewal { object["renewIn"] = .integer(Int64((renewal - loop.now) / 1000)) }
        if let end = lease.end { object["endsIn"] = .integer(Int64((end - loop.now) / 1000)) }
    }

    /// Counters and the number of leases in each state.
    var metrics: String {
        func states(_ family: IPAddress.Family) -> [(name: String, count: Int)] {
            var counts: [String: Int] = [:]
            for session in sessions.values where session.key.family == family { counts[session.state, default: 0] += 1 }
            return counts.keys.sorted().map { ($0, counts[$0] ?? 0) }
        }
        return counters.text(states: states(.v4), states6: states(.v6))
    }
}
