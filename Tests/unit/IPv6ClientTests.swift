import CNI
import Testing

@testable import DHCP

@Suite struct IPv6ClientTests {
    /// A client that has asked servers, in a network without a router; and when.
    private func soliciting(_ settings: IPv6ClientSettings = Sample6.settings()) -> (IPv6Client, DHCPv6Message, now: Int) {
        var client = IPv6Client(settings, seed: 1)
        #expect(client.start(at: 0) == [.solicitRouters])
        var actions: [IPv6Client.Action] = []
        while client.state == .discovering, let deadline = client.deadline { actions = client.timeOut(at: deadline) }
        return (client, actions.message, 2000)
    }

    /// A client that was granted something at 3000.
    private func bound(_ settings: IPv6ClientSettings = Sample6.settings(), valid: UInt32 = 100) -> IPv6Client {
        var (client, solicit, _) = soliciting(settings)
        let request = client.receive(Sample6.reply(.advertise, to: solicit, preference: 255), from: Sample6.server, at: 3000).message
        _ = client.receive(Sample6.reply(.reply, to: request, valid: valid), from: Sample6.server, at: 3000)
        _ = client.timeOut(at: 3100)
        return client
    }

    @Test func asksARouterFirstThenServers() {
        let (client, solicit, _) = soliciting()
        #expect(client.state == .soliciting && solicit.kind == .solicit && client.deadline.map { $0 > 3000 && $0 <= 3100 } == true)
        #expect(solicit.options[1] == Sample6.duid && solicit.options[6] == [0, 23, 0, 24, 0, 82] && solicit.options[8] == [0, 0])
        #expect(solicit.options[14] == nil && solicit.association(Sample6.association)?.addresses.isEmpty == true)
    }

    @Test func grantsAfterAProbe() {
        var (client, solicit, now) = soliciting()
        #expect(client.receive(Sample6.reply(.advertise, to: solicit), from: Sample6.server, at: now).isEmpty)
        let request = client.timeOut(at: 3100).message
        #expect(request.kind == .request && request.options[2] == Sample6.serverDUID)
        #expect(request.association(Sample6.association)?.addresses.first?.address.text == "2001:db8::5")
        now = 3200
        let probe = client.receive(Sample6.reply(.reply, to: request), from: Sample6.server, at: now)
        #expect(probe == [.probe(Sample6.address("2001:db8::5"))] && client.state == .probing)
        guard case .granted(let lease, before: nil)? = client.timeOut(at: 3300).first else {
            Issue.record("no lease")
            return
        }
        #expect(lease.addresses.first?.network.text == "2001:db8::5/128" && lease.start == 3100 && lease.end == 103_100)
        #expect(client.state == .bound && client.deadline.map { $0 > 22_000 && $0 <= 23_100 } == true && lease.gateway == nil)
    }

    @Test func takesTheServerOfHighestPreference() {
        var (client, solicit, now) = soliciting()
        for (preference, server) in [(nil, 1), (200, 2), (200, 3), (10, 4)] as [(UInt8?, UInt8)] {
            let offer = Sample6.reply(.advertise, to: solicit, server: [0, 2, server], preference: preference)
            #expect(client.receive(offer, from: Sample6.server, at: now).isEmpty)
        }
        now = client.deadline ?? 0
        #expect(client.timeOut(at: now).message.options[2] == [0, 2, 2])
    }

    @Test func takesTheFirstOfferAtOnceAfterTheFirstTime() {
        var (client, _, _) = soliciting()
        let solicit = client.timeOut(at: client.deadline ?? 0).message
        #expect(solicit.kind == .solicit && client.lastProblem == "no DHCPv6 server answers" && solicit.options[8] != [0, 0])
        #expect(client.receive(Sample6.reply(.advertise, to: solicit), from: Sample6.server, at: 3200).message.kind == .request)
    }

    @Test func commitsRapidlyWhereItIsWanted() {
        func reply(_ message: DHCPv6Message) -> DHCPv6Message { Sample6.reply(.reply, to: message) { $0.options.append(14, []) } }
        var settings = Sample6.settings()
        settings.rapidCommit = true
        var (client, solicit, now) = soliciting(settings)
        #expect(solicit.options[14] == [])
        #expect(client.receive(Sample6.reply(.reply, to: solicit), from: Sample6.server, at: now).isEmpty)
        #expect(client.receive(reply(solicit), from: Sample6.server, at: now) == [.probe(Sample6.address("2001:db8::5"))])
        (client, solicit, now) = soliciting()
        #expect(client.receive(reply(solicit), from: Sample6.server, at: now).isEmpty && client.state == .soliciting)
    }

    @Test func sendsAgainAfterLongerAndLongerTimesAndGivesUp() {
        var (client, _, _) = soliciting()
        var times = [2000]
        var ending: [IPv6Client.Action] = []
        while let deadline = client.deadline {
            ending = client.timeOut(at: deadline)
            if ending.message.kind == .solicit { times.append(deadline) }
        }
        #expect(ending == [.failed("no more tries: no DHCPv6 server answers")])
        let pauses = zip(times.dropFirst(), times).map { $0 - $1 }
        // RFC 8415, section 15: twice the last time, a tenth of it more or less; the first time no less than a second.
        #expect(pauses[0] > 1000 && pauses[0] <= 1100)
        for (pause, last) in zip(pauses.dropFirst(), pauses) where pause < 55_000 { #expect(abs(pause - 2 * last) <= last / 10 + 1) }
        #expect(pauses.allSatisfy { $0 <= 68_200 } && pauses.count >= 7)
    }

    @Test func keepsToTheServersWordOnHowOften() {
        var (client, solicit, now) = soliciting()
        let message = Sample6.reply(.advertise, to: solicit, address: nil, status: 2) { $0.options.append(82, [0, 0, 0, 60]) }
        #expect(client.receive(message, from: Sample6.server, at: now).isEmpty && client.solicitMaximum == 60_000)
        _ = client.timeOut(at: client.deadline ?? 0)
        #expect(client.lastProblem == "server fe80::9 offers no address: NoAddrsAvail (hi)")
    }

    @Test func passesOverWhatIsNoAnswer() {
        var (client, solicit, now) = soliciting()
        var other = DHCPv6Message(.solicit, transaction: solicit.transaction ^ 1)
        #expect(client.receive(Sample6.reply(.advertise, to: other, preference: 255), from: Sample6.server, at: now).isEmpty)
        other = DHCPv6Message(.advertise, transaction: solicit.transaction)
        #expect(client.receive(other, from: Sample6.server, at: now).isEmpty)
        other.options.append(1, [9, 9, 9])
        other.options.append(2, Sample6.serverDUID)
        #expect(client.receive(other, from: Sample6.server, at: now).isEmpty && client.state == .soliciting)
        let request = client.receive(Sample6.reply(.advertise, to: solicit, preference: 255), from: Sample6.server, at: now).message
        #expect(client.receive(Sample6.reply(.reply, to: request, server: [1, 1]), from: Sample6.server, at: now).isEmpty)
        now = 3000
    }

    @Test func searchesAnewWhenTheServerDoesNotConfirm() {
        var (client, solicit, now) = soliciting()
        _ = client.receive(Sample6.reply(.advertise, to: solicit, preference: 255), from: Sample6.server, at: now)
        var requests = 1
        while let deadline = client.deadline, client.state == .requesting {
            now = deadline
            requests += client.timeOut(at: deadline).message.kind == .request ? 1 : 0
        }
        #expect(requests >= 3 && client.state == .soliciting && client.lastProblem == "server fe80::9 does not confirm its offer")
    }

    @Test func searchesAnewWhenTheServerTakesItsOfferBack() {
        var (client, solicit, now) = soliciting()
        let request = client.receive(Sample6.reply(.advertise, to: solicit, preference: 255), from: Sample6.server, at: now).message
        _ = client.receive(Sample6.reply(.reply, to: request, address: nil, status: 2), from: Sample6.server, at: now)
        #expect(client.state == .pausing && client.lastProblem == "server fe80::9 grants no address: NoAddrsAvail (hi)")
        now = client.deadline ?? 0
        #expect(client.timeOut(at: now).first == .solicitRouters || client.state == .soliciting)
    }

    @Test func declinesAnAddressInUse() {
        var (client, solicit, now) = soliciting()
        let request = client.receive(Sample6.reply(.advertise, to: solicit, preference: 255), from: Sample6.server, at: now).message
        _ = client.receive(Sample6.reply(.reply, to: request), from: Sample6.server, at: now)
        let address = Sample6.address("2001:db8::5")
        #expect(client.addressInUse(Sample6.address("2001:db8::6"), by: "x", at: now).isEmpty)
        let decline = client.addressInUse(address, by: "02:00:00:00:00:77", at: now).message
        #expect(decline.kind == .decline && decline.options[2] == Sample6.serverDUID && client.lease != nil)
        #expect(decline.association(Sample6.association)?.addresses.first?.address == address)
        // Once more without an answer, then the answer.
        now = client.deadline ?? 0
        #expect(client.timeOut(at: now).message == decline || client.state == .declining)
        _ = client.receive(Sample6.reply(.reply, to: decline, address: nil), from: Sample6.server, at: now)
        #expect(client.state == .pausing && client.deadline == now)
        #expect(client.lastProblem == "2001:db8::5 is in use by 02:00:00:00:00:77")
    }

    @Test func renewsThenRebindsThenLoses() {
        var client = bound()
        var now = client.deadline ?? 0
        let renew = client.timeOut(at: now).message
        #expect(renew.kind == .renew && renew.options[2] == Sample6.serverDUID && client.state == .renewing)
        now = client.deadline ?? 0
        while client.state == .renewing {
            now = client.deadline ?? 0
            _ = client.timeOut(at: now)
        }
        #expect(now == 43_000 && client.state == .rebinding)
        var kinds: [DHCPv6Message.Kind] = []
        var ending: [IPv6Client.Action] = []
        while client.state == .rebinding {
            now = client.deadline ?? 0
            ending = client.timeOut(at: now)
            kinds.append(ending.message.kind)
        }
        #expect(now == 103_000 && kinds.dropLast().allSatisfy { $0 == .rebind })
        guard case .lost(_, "it has ended: no server extended it")? = ending.first else {
            Issue.record("not lost")
            return
        }
        #expect(client.state == .discovering && client.lease == nil)
    }

    @Test func takesAnExtension() {
        var client = bound()
        let now = client.deadline ?? 0
        let renew = client.timeOut(at: now).message
        let actions = client.receive(Sample6.reply(.reply, to: renew, address: "2001:db8::6"), from: Sample6.server, at: now + 10)
        guard case .granted(let lease, before: let before?)? = actions.first else {
            Issue.record("no extension")
            return
        }
        #expect(lease.addresses.first?.network.text == "2001:db8::6/128" && before.addresses.first?.network.text == "2001:db8::5/128")
        #expect(lease.start == now && client.state == .bound)
    }

    @Test func asksAServerAnewThatHasForgotten() {
        var client = bound()
        let now = client.deadline ?? 0
        let renew = client.timeOut(at: now).message
        let request = client.receive(Sample6.reply(.reply, to: renew, address: nil, status: 3), from: Sample6.server, at: now).message
        #expect(request.kind == .request && client.state == .renewing && client.lease != nil)
        #expect(request.options[2] == Sample6.serverDUID)
        // Not for ever: what it refuses twice is left until T2.
        #expect(
            client.receive(Sample6.reply(.reply, to: request, address: nil, status: 3), from: Sample6.server, at: now).isEmpty
                && client.state == .renewing)
        _ = client.receive(Sample6.reply(.reply, to: request), from: Sample6.server, at: now)
        #expect(client.state == .bound)
    }

    @Test func losesWhatTheServerWithdraws() {
        var client = bound()
        let now = client.deadline ?? 0
        let renew = client.timeOut(at: now).message
        let actions = client.receive(Sample6.reply(.reply, to: renew, preferred: 0, valid: 0), from: Sample6.server, at: now)
        guard case .lost(_, "server fe80::9 withdraws it")? = actions.first else {
            Issue.record("not lost")
            return
        }
    }

    @Test func keepsALeaseWithoutAnEnd() {
        var (client, solicit, _) = soliciting()
        let request = client.receive(Sample6.reply(.advertise, to: solicit, preference: 255), from: Sample6.server, at: 3000).message
        let forever = UInt32.max
        _ = client.receive(
            Sample6.reply(.reply, to: request, preferred: forever, valid: forever, t1: 0, t2: 0), from: Sample6.server, at: 3000)
        _ = client.timeOut(at: 3100)
        #expect(client.state == .bound && client.deadline == nil && client.lease?.end == nil)
    }

    @Test func choosesT1AndT2ItselfWhereTheServerDoesNot() {
        let solicit = DHCPv6Message(.solicit, transaction: 1)
        let reply = Sample6.reply(.reply, to: solicit, preferred: 1000, valid: 2000, t1: 0, t2: 0)
        let lease = IPv6Lease(reply, association: Sample6.association, from: Sample6.server, router: nil, start: 0)
        #expect(lease?.grant?.renewal.t1 == 500_000 && lease?.grant?.renewal.t2 == 800_000)
    }

    @Test func givesBack() {
        var client = bound()
        let release = client.stop()
        #expect(release?.kind == .release && release?.options[2] == Sample6.serverDUID && release?.options[6] == nil)
        #expect(release?.association(Sample6.association)?.addresses.first?.address.text == "2001:db8::5")
        #expect(client.state == .stopped && client.stop() == nil)
    }

    @Test func goesOnAfterARestart() {
        guard let lease = bound().lease else {
            Issue.record("no lease")
            return
        }
        var client = IPv6Client(Sample6.settings(), seed: 2)
        #expect(client.resume(lease, at: 10_000).isEmpty && client.deadline.map { $0 > 20_000 && $0 <= 23_000 } == true)
        client = IPv6Client(Sample6.settings(), seed: 2)
        guard case .lost? = client.resume(lease, at: 200_000).first else {
            Issue.record("not lost")
            return
        }
    }

    // MARK: Routers

    @Test func makesItselfAnAddress() {
        var client = IPv6Client(Sample6.settings(.slaac), seed: 1)
        _ = client.start(at: 0)
        let router = Sample6.address("fe80::1")
        #expect(client.receive(Sample6.advertisement(Sample6.prefix(flags: 0x80)), from: router, at: 5).isEmpty)
        #expect(client.state == .discovering && client.lastProblem?.contains("router fe80::1 has no network") == true)
        let probe = client.receive(Sample6.advertisement(Sample6.prefix()), from: router, at: 10)
        #expect(probe == [.probe(Sample6.address("2001:db8:1::ff:fe00:1"))])
        guard case .granted(let lease, before: nil)? = client.timeOut(at: 200).first else {
            Issue.record("no lease")
            return
        }
        #expect(lease.addresses.first?.network.text == "2001:db8:1::ff:fe00:1/128" && lease.gateway == router && lease.origin == "slaac")
        #expect(client.deadline == nil && client.stop() == nil)
    }

    @Test func aRouterNeedNotBeADefaultRouter() {
        let router = IPv6Lease.Router(Sample6.address("fe80::1"), Sample6.advertisement(lifetime: 0, Sample6.prefix(flags: 0x40)))
        let lease = IPv6Lease(router, identifier: 1, start: 0)
        #expect(lease?.addresses.first?.network.text == "2001:db8:1::1/128" && lease?.gateway == nil)
    }

    @Test func followsTheFlag() {
        var client = IPv6Client(Sample6.settings(.auto), seed: 1)
        _ = client.start(at: 0)
        let actions = client.receive(Sample6.advertisement(flags: 0x80, Sample6.prefix()), from: Sample6.address("fe80::1"), at: 10)
        #expect(actions.message.kind == .solicit && client.state == .soliciting)
    }

    @Test func endsWithoutARouterWhereNoneNeedBe() {
        var client = IPv6Client(Sample6.settings(.auto), seed: 1)
        var actions = client.start(at: 0)
        var now = 0
        while client.state == .discovering {
            now = client.deadline ?? 0
            actions = client.timeOut(at: now)
        }
        #expect(actions == [.absent("no router advertises itself")] && now == 5000)
    }

    @Test func aRouterHasToBeOnTheLink() {
        var client = IPv6Client(Sample6.settings(.slaac), seed: 1)
        _ = client.start(at: 0)
        #expect(client.receive(Sample6.advertisement(Sample6.prefix()), from: Sample6.address("2001:db8::1"), at: 10).isEmpty)
    }

    @Test func settingsOfServerAndRouterAreJoined() {
        var reply = Sample6.reply(.reply, to: DHCPv6Message(.request, transaction: 1))
        reply.options.append(23, Sample6.address("2001:db8::53").bytes + Sample6.address("::").bytes)
        reply.options.append(24, [1, 0x61, 0])
        let servers: [UInt8] = [25, 5, 0, 0, 0, 0, 0, 9] + Sample6.address("2001:db8::53").bytes + Sample6.address("2001:db8::54").bytes
        let router = IPv6Lease.Router(Sample6.address("fe80::1"), Sample6.advertisement(servers))
        let lease = IPv6Lease(reply, association: Sample6.association, from: Sample6.server, router: router, start: 0)
        #expect(lease?.dns.nameservers == ["2001:db8::53", "2001:db8::54"] && lease?.dns.search == ["a"])
        #expect(lease?.result.ips.first?.gateway == Sample6.address("fe80::1") && lease?.result.routes.isEmpty == true)
    }
}
