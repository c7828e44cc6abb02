import CNI

/// Gets IPv6 addresses for one interface, as a state machine: a router is asked first (RFC 4861), then a DHCPv6 server (RFC 8415), or an
/// address is made from the router's network (RFC 4862).
///
/// It does nothing itself: it is told what has happened and when, and says what is to be done, and when it wants to be told that time has
/// passed. The clock is the caller's, in milliseconds; it has to go on while the machine sleeps, and must not be set.
public struct IPv6Client: Sendable {
    /// Where it stands.
    public enum State: UInt8, Sendable {
        /// Nothing is under way: before the start and after the end.
        case stopped
        /// Routers were asked to advertise themselves.
        case discovering
        /// Servers were asked for an address.
        case soliciting
        /// A server was chosen, and has to confirm.
        case requesting
        /// There is an address; no one else may have it.
        case probing
        /// Someone has it, and the server is being told.
        case declining
        /// Before the next search.
        case pausing
        /// There is a lease.
        case bound
        /// Past T1: its server is asked to extend the lease.
        case renewing
        /// Past T2: any server is.
        case rebinding

        /// Whether the interface has the lease's addresses.
        public var hasLease: Bool { self == .bound || self == .renewing || self == .rebinding }
    }

    /// What the caller has to do.
    public enum Action: Equatable, Sendable {
        /// Send a message to all servers and relays on the link: all of this client's go there.
        case send(DHCPv6Message)
        /// Ask routers to advertise themselves.
        case solicitRouters
        /// Ask whether someone has an address.
        case probe(IPAddress)
        /// The interface has a lease; nil for the one before where there was none.
        case granted(IPv6Lease, before: IPv6Lease?)
        /// The lease is no more, for this reason: its addresses must not be used any longer. The search for another one has begun.
        case lost(IPv6Lease, String)
        /// The search is given up, for this reason.
        case failed(String)
        /// The search is given up, since no router says that there is IPv6 to be had here, and there need not be any.
        case absent(String)
    }

    /// Where it stands.
    public internal(set) var state = State.stopped
    /// The lease, or the one that is being probed.
    public internal(set) var lease: IPv6Lease?
    /// When ``timeOut(at:)`` has to be called; nil for never.
    public internal(set) var deadline: Int?
    /// What became of the last attempt, for people.
    public internal(set) var lastProblem: String?
    /// The router that was heard; nil for none.
    public internal(set) var router: IPv6Lease.Router?

    let settings: IPv6ClientSettings
    var random: RandomNumbers
    var exchange: DHCPv6Exchange
    var offer: DHCPv6Offer?
    /// What servers say that have no address; nil where none has said anything.
    var refusal: String?
    var solicitMaximum: Int
    /// The server that is asked to grant anew what it does not know any more.
    var forgetful: [UInt8]?
    /// How often routers were asked.
    private var attempt = 0
    private var pauses = 0
    private var probesLeft = 0
    var declines = 0
    private var began = 0
    private var givesUp = true

    /// A client that has not begun. Another seed makes another sequence of waiting times and transaction numbers.
    public init(_ settings: IPv6ClientSettings, seed: UInt64) {
        self.settings = settings
        random = RandomNumbers(seed: seed)
        exchange = DHCPv6Exchange(.solicit, &random, at: 0)
        solicitMaximum = settings.resendMaximum
    }

    // MARK: Beginning and ending

    /// Begins the search. One that replaces a lost lease is never given up.
    public mutating func start(at now: Int, givingUp: Bool = true) -> [Action] {
        began = now
        givesUp = givingUp
        attempt = 0
        pauses = 0
        declines = 0
        router = nil
        return discover(at: now)
    }

    /// Goes on with a lease that was granted before. Leases that are due are spread over some seconds: many may come at once.
    public mutating func resume(_ lease: IPv6Lease, at now: Int) -> [Action] {
        self.lease = lease
        router = lease.router
        if let end = lease.end, end <= now { return lose("it ended while no one was there to renew it", at: now) }
        bind(lease, at: now)
        deadline = deadline.map { max($0, now + random.upTo(5000)) }
        return []
    }

    /// Ends everything; the message that gives the lease back, where there is one.
    public mutating func stop() -> DHCPv6Message? {
        defer {
            state = .stopped
            deadline = nil
            lease = nil
        }
        guard let lease, let grant = lease.grant, state.hasLease || state == .probing else { return nil }
        exchange = DHCPv6Exchange(.release, &random, at: 0)
        return message(at: 0, lease.associated, server: grant.serverIdentifier)
    }

    // MARK: Time

    /// The time of ``deadline`` has come.
    public mutating func timeOut(at now: Int) -> [Action] {
        guard let deadline, deadline <= now else { return [] }
        switch state {
        case .stopped: return []
        case .discovering: return discover(at: now)
        case .soliciting: return solicitAgain(at: now)
        case .requesting: return requestAgain(at: now)
        case .probing: return probesLeft > 0 ? probe(at: now) : grant(at: now)
        case .declining: return declineAgain(at: now)
        case .pausing: return isOver(at: now) ? fail() : search(at: now)
        case .bound, .renewing, .rebinding: return extend(at: now)
        }
    }

    /// Whether the search has taken as long as it may.
    func isOver(at now: Int) -> Bool { givesUp && now - began >= settings.searchLimit }

    /// Sets the deadline, but not past the end of the search.
    mutating func wait(until time: Int, at now: Int) {
        deadline = givesUp ? max(now, min(time, began + settings.searchLimit)) : time
    }

    mutating func fail() -> [Action] { end(.failed("no more tries" + (lastProblem.map { ": \($0)" } ?? ""))) }

    private mutating func end(_ action: Action) -> [Action] {
        state = .stopped
        deadline = nil
        return [action]
    }

    /// Begins anew after a while, which is longer each time.
    mutating func pause(_ problem: String, for milliseconds: Int? = nil, at now: Int) -> [Action] {
        note(problem)
        state = .pausing
        lease = nil
        pauses += 1
        wait(until: now + (milliseconds ?? min(500 << min(pauses, 16), settings.resendMaximum)), at: now)
        return []
    }

    private mutating func search(at now: Int) -> [Action] {
        router != nil && settings.mode != .slaac ? decide(at: now) : discover(at: now)
    }

    // MARK: Routers

    /// Asks routers to advertise themselves, unless the time for it is over. The first attempts come soon: where a container's link has just
    /// come up, the bridge at its other end may not have noticed yet.
    private mutating func discover(at now: Int) -> [Action] {
        if state == .discovering && router == nil { note("no router advertises itself") }
        let isLate = givesUp && now - began >= settings.routerLimit
        if settings.mode == .dhcp && (isLate || attempt >= 3) { return solicit(at: now) }
        if settings.mode == .auto && isLate { return end(.absent(lastProblem ?? "no router advertises itself")) }
        if isOver(at: now) { return fail() }
        state = .discovering
        lease = nil
        let pause = min(500 << min(attempt, 16), givesUp ? 4000 : settings.resendMaximum)
        attempt += 1
        wait(until: now + pause - pause / 10 + random.upTo(pause / 5), at: now)
        if givesUp && settings.mode != .slaac { deadline = min(deadline ?? now, max(now, began + settings.routerLimit)) }
        return [.solicitRouters]
    }

    /// A router has advertised itself.
    public mutating func receive(_ advertisement: RouterAdvertisement, from address: IPAddress, at now: Int) -> [Action] {
        guard address.isLinkLocal, address.family == .v6, state != .stopped, !state.hasLease else { return [] }
        if state == .discovering {
            router = IPv6Lease.Router(address, advertisement)
            return decide(at: now)
        }
        if router.map({ $0.address == address }) ?? true { router = IPv6Lease.Router(address, advertisement) }
        return []
    }

    /// What to do with what the router said. One that says nothing of addresses is no reason to stop asking: there may be another.
    private mutating func decide(at now: Int) -> [Action] {
        guard let router else { return discover(at: now) }
        if settings.mode == .dhcp || (settings.mode == .auto && router.advertisement.isManaged) { return solicit(at: now) }
        guard let lease = IPv6Lease(router, identifier: settings.interfaceIdentifier, start: now) else {
            note("router \(router.address.text) has no network in which hosts may make themselves addresses")
            return []
        }
        return propose(lease, at: now)
    }

    // MARK: Addresses

    /// Takes a lease for the interface's, once it is sure that no one else has its addresses.
    mutating func propose(_ lease: IPv6Lease, at now: Int) -> [Action] {
        self.lease = lease
        state = .probing
        probesLeft = settings.probes
        return probesLeft > 0 ? probe(at: now) : grant(at: now)
    }

    private mutating func probe(at now: Int) -> [Action] {
        probesLeft -= 1
        deadline = now + settings.probeInterval
        return (lease?.addresses ?? []).map { .probe($0.network.address) }
    }

    /// Someone else has an address that is being probed.
    public mutating func addressInUse(_ address: IPAddress, by hardware: String, at now: Int) -> [Action] {
        guard state == .probing, let lease, lease.addresses.contains(where: { $0.network.address == address }) else { return [] }
        note("\(address.text) is in use by \(hardware)")
        declines += 1
        if lease.grant == nil { return pause("\(address.text) is in use by \(hardware)", for: 10_000, at: now) }
        return decline(at: now)
    }

    private mutating func grant(at now: Int) -> [Action] {
        guard let lease else { return discover(at: now) }
        bind(lease, at: now)
        return [.granted(lease, before: nil)]
    }

    mutating func bind(_ lease: IPv6Lease, at now: Int) {
        self.lease = lease
        state = .bound
        lastProblem = nil
        guard let end = lease.end else {
            deadline = nil
            return
        }
        let t2 = lease.grant?.renewal.t2.map { lease.start + $0 } ?? end
        // Not all at once that were granted at once: up to a twentieth earlier.
        let t1 = lease.grant?.renewal.t1.map { lease.start + $0 - random.upTo($0 / 20) } ?? t2
        deadline = max(now, min(t1, t2, end))
    }

    mutating func lose(_ reason: String, at now: Int) -> [Action] {
        guard let lease else { return [] }
        note(reason)
        return [.lost(lease, reason)] + start(at: now, givingUp: false)
    }

    mutating func note(_ problem: String) { lastProblem = problem }
}
