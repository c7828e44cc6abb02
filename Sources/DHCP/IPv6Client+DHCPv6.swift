import CNI

/// The client's side of DHCPv6: RFC 8415, section 18.2. Constants are those of section 7.6.
extension IPv6Client {
    // MARK: Messages

    /// The message of the exchange, with what all have in common.
    func message(at now: Int, _ association: IdentityAssociation, server: [UInt8]?) -> DHCPv6Message {
        var message = DHCPv6Message(exchange.kind, transaction: exchange.transaction)
        message.options.append(DHCPv6Option.clientIdentifier, settings.clientIdentifier)
        if let server { message.options.append(DHCPv6Option.serverIdentifier, server) }
        message.options.append(DHCPv6Option.elapsedTime, exchange.elapsed(at: now))
        if exchange.kind == .solicit && settings.rapidCommit { message.options.append(DHCPv6Option.rapidCommit, []) }
        if exchange.kind != .release && exchange.kind != .decline {
            let asked = [DHCPv6Option.nameServers, DHCPv6Option.domainList, DHCPv6Option.solicitMaximum]
            message.options.append(DHCPv6Option.optionRequest, asked.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] })
        }
        message.options.append(DHCPv6Option.identityAssociation, association.encoded())
        return message
    }

    /// A message has come from a server; anything that is no answer to what was asked is passed over: section 16.
    public mutating func receive(_ message: DHCPv6Message, from server: IPAddress, at now: Int) -> [Action] {
        guard message.transaction == exchange.transaction, message.options[DHCPv6Option.clientIdentifier] == settings.clientIdentifier,
            let name = message.options[DHCPv6Option.serverIdentifier], !name.isEmpty
        else { return [] }
        noteSolicitMaximum(message)
        switch (state, message.kind) {
        case (.soliciting, .advertise): return advertised(message, server, at: now)
        case (.soliciting, .reply):
            guard settings.rapidCommit, message.options[DHCPv6Option.rapidCommit] != nil else { return [] }
            return confirmed(message, server, at: now)
        case (.requesting, .reply): return name == offer?.serverIdentifier ? confirmed(message, server, at: now) : []
        case (.declining, .reply): return afterDecline(at: now)
        case (.renewing, .reply), (.rebinding, .reply): return extended(message, server, at: now)
        default: return []
        }
    }

    /// A server may tell clients to ask less often, or more: section 21.24.
    private mutating func noteSolicitMaximum(_ message: DHCPv6Message) {
        guard let seconds = message.options[DHCPv6Option.solicitMaximum]?[...].number(at: 0, as: UInt32.self),
            (60...86_400).contains(seconds)
        else { return }
        solicitMaximum = Int(seconds) * 1000
    }

    // MARK: SOLICIT

    /// Asks all servers for an address.
    mutating func solicit(at now: Int) -> [Action] {
        state = .soliciting
        lease = nil
        offer = nil
        refusal = nil
        exchange = DHCPv6Exchange(.solicit, &random, at: now)
        return sendSolicit(at: now)
    }

    private mutating func sendSolicit(at now: Int) -> [Action] {
        let message = message(at: now, IdentityAssociation(settings.association), server: nil)
        wait(until: now + exchange.next(first: 1000, maximum: solicitMaximum, &random), at: now)
        return [.send(message)]
    }

    /// The best of the offers is taken when the first one's time is over; before, a better one may come.
    mutating func solicitAgain(at now: Int) -> [Action] {
        if offer != nil { return request(at: now) }
        note(refusal ?? "no DHCPv6 server answers")
        return isOver(at: now) ? fail() : sendSolicit(at: now)
    }

    private mutating func advertised(_ message: DHCPv6Message, _ server: IPAddress, at now: Int) -> [Action] {
        guard let new = DHCPv6Offer(message, association: settings.association, from: server) else {
            refusal = "server \(server.text) offers no address: \(IPv6Client.reason(message, settings.association))"
            return []
        }
        if offer.map({ $0.preference < new.preference }) ?? true { offer = new }
        // No other can be better; and after the first time is over the first one counts.
        return new.preference == 255 || exchange.count > 1 ? request(at: now) : []
    }

    /// Why a message has no address.
    private static func reason(_ message: DHCPv6Message, _ identifier: UInt32) -> String {
        if !message.options.status.isSuccess { return message.options.status.text }
        guard let association = message.association(identifier) else { return "nothing is said of one" }
        return association.status.isSuccess ? "none can be used" : association.status.text
    }

    // MARK: REQUEST

    private mutating func request(at now: Int) -> [Action] {
        state = .requesting
        exchange = DHCPv6Exchange(.request, &random, at: now)
        return requestAgain(at: now)
    }

    mutating func requestAgain(at now: Int) -> [Action] {
        guard let offer else { return solicit(at: now) }
        let limit = exchange.began + settings.confirmationLimit
        if exchange.count >= 10 || now >= limit || isOver(at: now) {
            note("server \(offer.server.text) does not confirm its offer")
            return isOver(at: now) ? fail() : solicit(at: now)
        }
        let message = message(at: now, offer.association, server: offer.serverIdentifier)
        wait(until: min(limit, now + exchange.next(first: 1000, maximum: 30_000, &random)), at: now)
        return [.send(message)]
    }

    private mutating func confirmed(_ reply: DHCPv6Message, _ server: IPAddress, at now: Int) -> [Action] {
        // The server could not do it just now: it is asked again.
        if reply.options.status.code == DHCPv6Status.unspecifiedFailure {
            note("server \(server.text): \(reply.options.status.text)")
            return []
        }
        guard reply.options.status.isSuccess,
            let lease = IPv6Lease(reply, association: settings.association, from: server, router: router, start: exchange.began)
        else {
            return pause("server \(server.text) grants no address: \(IPv6Client.reason(reply, settings.association))", at: now)
        }
        return propose(lease, at: now)
    }

    // MARK: DECLINE

    /// Tells the server that someone else has an address.
    mutating func decline(at now: Int) -> [Action] {
        state = .declining
        exchange = DHCPv6Exchange(.decline, &random, at: now)
        return declineAgain(at: now)
    }

    mutating func declineAgain(at now: Int) -> [Action] {
        guard exchange.count < 4, let lease, let grant = lease.grant else { return afterDecline(at: now) }
        let message = message(at: now, lease.associated, server: grant.serverIdentifier)
        wait(until: now + exchange.next(first: 1000, maximum: Int.max / 4, &random), at: now)
        return [.send(message)]
    }

    /// The next attempt follows at once; but not again and again, where a server gives nothing but what is in use.
    private mutating func afterDecline(at now: Int) -> [Action] {
        pause(lastProblem ?? "an address is in use", for: declines == 1 ? 0 : 10_000, at: now)
    }

    // MARK: RENEW and REBIND

    /// T1 has come, or the time for another attempt, or T2, or the end.
    mutating func extend(at now: Int) -> [Action] {
        guard let lease, let grant = lease.grant, let end = lease.end else { return [] }
        if now >= end { return lose("it has ended: no server extended it", at: now) }
        let t2 = grant.renewal.t2.map { lease.start + $0 } ?? end
        let isLate = now >= t2
        if state == .bound || (isLate && state == .renewing) {
            exchange = DHCPv6Exchange(isLate ? .rebind : .renew, &random, at: now)
            state = isLate ? .rebinding : .renewing
        }
        return sendExtension(lease, grant.serverIdentifier, until: isLate ? end : min(t2, end), at: now)
    }

    private mutating func sendExtension(_ lease: IPv6Lease, _ server: [UInt8], until limit: Int, at now: Int) -> [Action] {
        let asked = exchange.kind == .request ? forgetful ?? server : server
        let message = message(at: now, lease.associated, server: exchange.kind == .rebind ? nil : asked)
        let pause =
            exchange.kind == .request
            ? exchange.next(first: 1000, maximum: 30_000, &random) : exchange.next(first: 10_000, maximum: 600_000, &random)
        deadline = min(limit, now + pause)
        return [.send(message)]
    }

    /// What says nothing of the lease counts as no answer: it holds until its end.
    private mutating func extended(_ reply: DHCPv6Message, _ server: IPAddress, at now: Int) -> [Action] {
        guard let before = lease, let association = reply.association(settings.association), reply.options.status.isSuccess else {
            note("server \(server.text) does not extend it: \(IPv6Client.reason(reply, settings.association))")
            return []
        }
        if association.status.code == DHCPv6Status.noBinding { return requestAnew(before, reply, server, at: now) }
        if !association.addresses.isEmpty && association.addresses.allSatisfy({ $0.valid == 0 }) {
            return lose("server \(server.text) withdraws it", at: now)
        }
        guard
            let lease = IPv6Lease(
                reply, association: settings.association, from: server, router: before.router, start: exchange.began)
        else {
            note("server \(server.text) does not extend it: \(IPv6Client.reason(reply, settings.association))")
            return []
        }
        bind(lease, at: now)
        return [.granted(lease, before: before)]
    }

    /// A server that knows nothing of the lease, since it has lost its records, is asked to grant it anew: section 18.2.10.1. Until it does
    /// the lease holds.
    private mutating func requestAnew(_ lease: IPv6Lease, _ reply: DHCPv6Message, _ server: IPAddress, at now: Int) -> [Action] {
        guard let end = lease.end, exchange.kind != .request else { return [] }
        note("server \(server.text) does not know the lease")
        exchange = DHCPv6Exchange(.request, &random, at: now)
        forgetful = reply.options[DHCPv6Option.serverIdentifier]
        return sendExtension(lease, [], until: end, at: now)
    }
}

extension IPv6Lease {
    /// The addresses as a client sends them: how long they last is the server's to say.
    var associated: IdentityAssociation {
        let reply = grant?.reply.options[DHCPv6Option.identityAssociation]
        let identifier = reply.flatMap { IdentityAssociation($0)?.identifier } ?? 0
        return IdentityAssociation(
            identifier, addresses: addresses.map { IdentityAssociation.Address($0.network.address, preferred: 0, valid: 0) })
    }
}
