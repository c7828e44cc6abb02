import CNI

/// The client's side of DHCP for one interface, as a state machine: RFC 2131, section 4.4.
///
/// It does nothing itself: it is told what has happened and when, and says what is to be done, and when it wants to be told that time has
/// passed. The clock is the caller's, in milliseconds; it has to go on while the machine sleeps, and must not be set.
public struct DHCPClient: Sendable {
    /// The states of RFC 2131, figure 5, as far as they last; and those of an address that is being probed, and of a pause.
    public enum State: UInt8, Sendable {
        /// Nothing is under way: before the start and after the end.
        case stopped
        /// A search, and no server has offered anything yet.
        case selecting
        /// An offer was accepted, and its server has to confirm.
        case requesting
        /// The server has granted the address; no one else may have it.
        case probing
        /// Before the next search: a server refused, or the address was in use.
        case pausing
        /// There is a lease.
        case bound
        /// Past T1: its server is asked to extend the lease.
        case renewing
        /// Past T2: any server is.
        case rebinding

        /// Whether the interface has the lease's address.
        public var hasLease: Bool { self == .bound || self == .renewing || self == .rebinding }
    }

    /// How a message goes out.
    public enum Delivery: Equatable, Sendable {
        /// To all on the link; from this address.
        case broadcast(from: IPAddress)
        /// To a server, by routing, from the lease's address.
        case unicast(to: IPAddress, from: IPAddress)
    }

    /// What the caller has to do.
    public enum Action: Equatable, Sendable {
        /// Send a message.
        case send(DHCPMessage, Delivery)
        /// Ask by ARP whether someone has an address.
        case probe(IPAddress)
        /// The interface has a lease; nil for the one before where there was none.
        case granted(DHCPLease, before: DHCPLease?)
        /// The lease is no more, for this reason: its address must not be used any longer. The search for another one has begun.
        case lost(DHCPLease, String)
        /// The search is given up, for this reason.
        case failed(String)
    }

    /// Where it stands.
    public private(set) var state = State.stopped
    /// The lease, or the one that is being probed.
    public private(set) var lease: DHCPLease?
    /// When ``timeOut(at:)`` has to be called; nil for never.
    public private(set) var deadline: Int?
    /// What became of the last attempt, for people.
    public private(set) var lastProblem: String?

    private let settings: DHCPClientSettings
    private var random: RandomNumbers
    private var transaction: UInt32 = 0
    private var attempt = 0
    private var probesLeft = 0
    private var declines = 0
    private var began = 0
    private var requested = 0
    private var givesUp = true
    private var offer: DHCPMessage?

    /// A client that has not begun. Another seed makes another sequence of waiting times and transaction numbers.
    public init(_ settings: DHCPClientSettings, seed: UInt64) {
        self.settings = settings
        random = RandomNumbers(seed: seed)
    }

    // MARK: Beginning and ending

    /// Begins the search for a lease. One that replaces a lost lease is never given up.
    public mutating func start(at now: Int, givingUp: Bool = true) -> [Action] {
        began = now
        givesUp = givingUp
        attempt = 0
        declines = 0
        return discover(at: now)
    }

    /// Goes on with a lease that was granted before. Leases that are due are spread over some seconds: many may come at once.
    public mutating func resume(_ lease: DHCPLease, at now: Int) -> [Action] {
        self.lease = lease
        if let end = lease.end, end <= now { return lose("it ended while no one was there to renew it", at: now) }
        state = .bound
        deadline = lease.duration == nil ? nil : max(lease.start + lease.renewal.t1, now + random.upTo(5000))
        return []
    }

    /// Ends everything; the message that gives the lease back, where there is one.
    public mutating func stop() -> DHCPMessage? {
        defer {
            state = .stopped
            deadline = nil
            lease = nil
        }
        guard let lease, state.hasLease || state == .probing else { return nil }
        return DHCPClient.release(lease, settings, transaction: UInt32(truncatingIfNeeded: random.next()))
    }

    /// The message that gives a lease back.
    public static func release(_ lease: DHCPLease, _ settings: DHCPClientSettings, transaction: UInt32) -> DHCPMessage {
        var message = DHCPMessage(.release, transaction: transaction, hardwareAddress: settings.hardwareAddress)
        message.clientAddress = lease.address.address
        message.options[DHCPOption.serverIdentifier] = lease.server.bytes
        message.options[DHCPOption.clientIdentifier] = settings.clientIdentifier
        return message
    }

    // MARK: Time

    /// The time of ``deadline`` has come.
    public mutating func timeOut(at now: Int) -> [Action] {
        guard let deadline, deadline <= now else { return [] }
        switch state {
        case .stopped: return []
        case .selecting, .pausing:
            if state == .selecting { note(offer == nil ? "no server answers" : "the server does not confirm its offer") }
            return discover(at: now)
        case .requesting:
            if now - requested >= settings.confirmationLimit || isOver(at: now) {
                note("the server does not confirm its offer")
                attempt = 0
                return discover(at: now)
            }
            return request(at: now)
        case .probing:
            if probesLeft > 0 { return probe(at: now) }
            return grant(at: now)
        case .bound, .renewing, .rebinding: return extend(at: now)
        }
    }

    /// Sends DISCOVER, unless the time for it is over.
    private mutating func discover(at now: Int) -> [Action] {
        if isOver(at: now) {
            state = .stopped
            deadline = nil
            return [.failed("no more tries" + (lastProblem.map { ": \($0)" } ?? ""))]
        }
        // An answer to an earlier message of the same search may still come.
        if state != .selecting || attempt == 0 { newTransaction() }
        state = .selecting
        offer = nil
        lease = nil
        var message = newMessage(.discover, at: now)
        message.options[DHCPOption.parameterRequestList] = settings.requested.isEmpty ? nil : settings.requested
        retry(at: now)
        return [.send(complete(message), .broadcast(from: .unspecified(.v4)))]
    }

    /// Sets the deadline of the next attempt: twice as long each time, a second more or less. RFC 2131, section 4.1.
    ///
    /// The first one comes soon: where a container's link has just come up, the bridge at its other end may not have noticed yet.
    private mutating func retry(at now: Int) {
        let pause = min(500 << min(attempt, 16), settings.resendMaximum)
        let spread = min(1000, pause / 2)
        attempt += 1
        deadline = now + pause - spread + random.upTo(2 * spread)
        if givesUp { deadline = max(now, min(deadline ?? now, began + settings.searchLimit)) }
    }

    /// Whether the search has taken as long as it may.
    private func isOver(at now: Int) -> Bool { givesUp && now - began >= settings.searchLimit }

    /// Begins anew after a while.
    private mutating func pause(_ milliseconds: Int?, _ problem: String, at now: Int) {
        note(problem)
        state = .pausing
        lease = nil
        retry(at: now)
        if let milliseconds { deadline = now + milliseconds }
    }

    // MARK: Messages

    /// A message has come from a server; anything that is no answer to what was asked is passed over.
    public mutating func receive(_ message: DHCPMessage, from hardware: [UInt8], at now: Int) -> [Action] {
        guard message.isReply, message.transaction == transaction, message.hardwareAddress == settings.hardwareAddress, isForUs(message)
        else { return [] }
        switch (state, message.kind) {
        case (.selecting, .offer): return accept(message, at: now)
        case (.requesting, .ack): return confirm(message, hardware, at: now)
        case (.requesting, .nak):
            // A server that takes itself for the only one refuses what was asked of another.
            guard isFromChosenServer(message) else { return [] }
            pause(nil, "server \(name(message)) refuses: \(reason(message))", at: now)
            return []
        case (.renewing, .ack), (.rebinding, .ack): return extended(message, hardware, at: now)
        case (.renewing, .nak), (.rebinding, .nak):
            return lose("server \(name(message)) refuses to extend it: \(reason(message))", at: now)
        default: return []
        }
    }

    /// A server that sends the client identifier back has to send ours: RFC 6842.
    private func isForUs(_ message: DHCPMessage) -> Bool {
        message.options[DHCPOption.clientIdentifier].map { $0 == settings.clientIdentifier } ?? true
    }

    private func isFromChosenServer(_ message: DHCPMessage) -> Bool {
        message.options[DHCPOption.serverIdentifier] == offer?.options[DHCPOption.serverIdentifier]
    }

    private func name(_ message: DHCPMessage) -> String { message.options.address(DHCPOption.serverIdentifier)?.text ?? "(without a name)" }

    private func reason(_ message: DHCPMessage) -> String { message.options.text(DHCPOption.message) ?? "it does not say why" }

    /// Takes the first offer that is complete.
    private mutating func accept(_ offer: DHCPMessage, at now: Int) -> [Action] {
        guard !offer.yourAddress.isUnspecified, offer.options.address(DHCPOption.serverIdentifier) != nil else { return [] }
        self.offer = offer
        state = .requesting
        requested = now
        attempt = 0
        return request(at: now)
    }

    private mutating func request(at now: Int) -> [Action] {
        guard let offer else { return discover(at: now) }
        var message = newMessage(.request, at: now)
        message.options[DHCPOption.requestedAddress] = offer.yourAddress.bytes
        message.options[DHCPOption.serverIdentifier] = offer.options[DHCPOption.serverIdentifier]
        message.options[DHCPOption.parameterRequestList] = settings.requested.isEmpty ? nil : settings.requested
        retry(at: now)
        deadline = min(deadline ?? now, requested + settings.confirmationLimit)
        return [.send(complete(message), .broadcast(from: .unspecified(.v4)))]
    }

    private mutating func confirm(_ ack: DHCPMessage, _ hardware: [UInt8], at now: Int) -> [Action] {
        // Another server than the chosen one has nothing to confirm.
        guard isFromChosenServer(ack) else { return [] }
        guard let lease = DHCPLease(ack, from: hardware, start: requested) else {
            pause(nil, "server \(name(ack)) grants \(ack.yourAddress.text) without a usable address or subnet mask", at: now)
            return []
        }
        self.lease = lease
        state = .probing
        probesLeft = settings.probes
        return probesLeft > 0 ? probe(at: now) : grant(at: now)
    }

    private mutating func probe(at now: Int) -> [Action] {
        guard let lease else { return [] }
        probesLeft -= 1
        deadline = now + settings.probeInterval
        return [.probe(lease.address.address)]
    }

    /// Someone else has the address that is being probed.
    public mutating func addressInUse(by hardware: String, at now: Int) -> [Action] {
        guard state == .probing, let lease else { return [] }
        var message = newMessage(.decline, at: now)
        message.options[DHCPOption.requestedAddress] = lease.address.address.bytes
        message.options[DHCPOption.serverIdentifier] = lease.server.bytes
        declines += 1
        // RFC 2131, section 3.1: at least ten seconds before the next attempt; once a second has to do, a container is waiting.
        pause(declines == 1 ? 1000 : 10_000, "\(lease.address.address.text) is in use by \(hardware)", at: now)
        return [.send(message, .broadcast(from: .unspecified(.v4)))]
    }

    private mutating func grant(at now: Int) -> [Action] {
        guard let lease else { return discover(at: now) }
        bind(lease, at: now)
        return [.granted(lease, before: nil)]
    }

    private mutating func bind(_ lease: DHCPLease, at now: Int) {
        self.lease = lease
        state = .bound
        lastProblem = nil
        attempt = 0
        // Not all at once that were granted at once: up to a twentieth earlier.
        let t1 = lease.renewal.t1 - random.upTo(lease.renewal.t1 / 20)
        deadline = lease.duration == nil ? nil : max(lease.start + t1, now)
    }

    // MARK: Extending

    /// T1 has come, or the time for another attempt, or T2, or the end.
    private mutating func extend(at now: Int) -> [Action] {
        guard let lease, let end = lease.end else { return [] }
        if now >= end { return lose("it has ended: no server extended it", at: now) }
        let isLate = now >= lease.start + lease.renewal.t2
        if state == .bound || (isLate && state == .renewing) {
            newTransaction()
            began = now
        }
        state = isLate ? .rebinding : .renewing
        let phaseStart = lease.start + (isLate ? lease.renewal.t2 : lease.renewal.t1)
        let phaseEnd = isLate ? end : lease.start + lease.renewal.t2
        // Half of what is left, a minute at least (RFC 2131, section 4.4.5); less where the whole phase is short.
        let least = min(60_000, max(1000, (phaseEnd - phaseStart) / 4))
        deadline = min(phaseEnd, now + max(least, (phaseEnd - now) / 2))
        requested = now
        var message = newMessage(.request, at: now)
        message.clientAddress = lease.address.address
        message.broadcast = false
        message.options[DHCPOption.parameterRequestList] = settings.requested.isEmpty ? nil : settings.requested
        let own = lease.address.address
        return [.send(complete(message), isLate ? .broadcast(from: own) : .unicast(to: lease.server, from: own))]
    }

    private mutating func extended(_ ack: DHCPMessage, _ hardware: [UInt8], at now: Int) -> [Action] {
        // One that can't be read counts as no answer: the lease holds until its end.
        guard let before = lease, let lease = DHCPLease(ack, from: hardware, start: requested) else { return [] }
        bind(lease, at: now)
        return [.granted(lease, before: before)]
    }

    private mutating func lose(_ reason: String, at now: Int) -> [Action] {
        guard let lease else { return [] }
        note(reason)
        return [.lost(lease, reason)] + start(at: now, givingUp: false)
    }

    // MARK: Common ground

    private mutating func note(_ problem: String) { lastProblem = problem }

    private mutating func newTransaction() { transaction = UInt32(truncatingIfNeeded: random.next()) }

    private func newMessage(_ kind: DHCPMessage.Kind, at now: Int) -> DHCPMessage {
        var message = DHCPMessage(kind, transaction: transaction, hardwareAddress: settings.hardwareAddress)
        message.seconds = UInt16(clamping: (now - began) / 1000)
        message.broadcast = settings.broadcast
        message.options[DHCPOption.clientIdentifier] = settings.clientIdentifier
        return message
    }

    /// With what DISCOVER and REQUEST have in common: the options that the user provides, and the longest message that is taken.
    private func complete(_ message: DHCPMessage) -> DHCPMessage {
        var message = message
        message.options[DHCPOption.maximumSize] = [5, 220]
        for entry in settings.provided where message.options[entry.code] == nil { message.options[entry.code] = entry.value }
        return message
    }
}
