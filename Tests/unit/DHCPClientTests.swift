import CNI
import Testing

@testable import DHCP

@Suite struct DHCPClientTests {
    /// A client that was granted 100 seconds at time 0.
    private func bound(lease: UInt32 = 100, _ change: (inout DHCPMessage) -> Void = { _ in }) -> DHCPClient {
        var client = DHCPClient(Sample.settings(), seed: 1)
        let discover = client.start(at: 0).message
        let request = client.receive(Sample.reply(.offer, to: discover), from: Sample.serverMAC, at: 0).message
        _ = client.receive(Sample.reply(.ack, to: request, lease: lease, change), from: Sample.serverMAC, at: 0)
        _ = client.timeOut(at: 100)
        return client
    }

    @Test func grantsAfterAProbe() {
        var client = DHCPClient(Sample.settings(), seed: 1)
        let discover = client.start(at: 0)
        #expect(discover.message.kind == .discover && discover.message.options[55] == [1, 3])
        #expect(discover.message.options[61] == [0] + Array("id/net/eth0".utf8) && discover.message.options[57] == [5, 220])
        let request = client.receive(Sample.reply(.offer, to: discover.message), from: Sample.serverMAC, at: 10)
        #expect(
            request.message.kind == .request && request.message.options[50] == [10, 9, 0, 5]
                && request.message.options[54] == [10, 9, 0, 1])
        let probe = client.receive(Sample.reply(.ack, to: request.message), from: Sample.serverMAC, at: 20)
        #expect(probe == [.probe(Sample.address("10.9.0.5"))] && client.state == .probing)
        #expect(client.timeOut(at: 119).isEmpty)
        guard case .granted(let lease, before: nil)? = client.timeOut(at: 120).first else {
            Issue.record("no lease")
            return
        }
        #expect(
            lease.address.text == "10.9.0.5/24" && lease.start == 10 && lease.end == 100_010 && lease.serverHardware == Sample.serverMAC)
        #expect(client.state == .bound)
    }

    @Test func declinesAnAddressInUse() {
        var client = DHCPClient(Sample.settings(), seed: 1)
        let discover = client.start(at: 0).message
        let request = client.receive(Sample.reply(.offer, to: discover), from: Sample.serverMAC, at: 0).message
        _ = client.receive(Sample.reply(.ack, to: request), from: Sample.serverMAC, at: 0)
        let decline = client.addressInUse(by: "02:00:00:00:00:77", at: 50)
        #expect(decline.message.kind == .decline && decline.message.options[50] == [10, 9, 0, 5] && client.state == .pausing)
        #expect(client.lastProblem == "10.9.0.5 is in use by 02:00:00:00:00:77")
        #expect(client.timeOut(at: 1050).message.kind == .discover)
    }

    @Test func sendsAgainAfterLongerAndLongerTimesAndGivesUp() {
        var client = DHCPClient(Sample.settings(), seed: 7)
        var times = [0]
        _ = client.start(at: 0)
        var ending: [DHCPClient.Action] = []
        while let deadline = client.deadline {
            ending = client.timeOut(at: deadline)
            if ending.message.kind == .discover { times.append(deadline) }
        }
        #expect(ending == [.failed("no more tries: no server answers")])
        let pauses = zip(times.dropFirst(), times).map { $0 - $1 }
        for (pause, expected) in zip(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 62_000]) {
            #expect(abs(pause - expected) <= min(1000, expected / 2))
        }
        #expect(times.last.map { $0 <= 208_000 } ?? false)
    }

    @Test func searchesAnewWhenTheServerDoesNotConfirm() {
        var client = DHCPClient(Sample.settings(), seed: 1)
        let discover = client.start(at: 0).message
        var requests = client.receive(Sample.reply(.offer, to: discover), from: Sample.serverMAC, at: 0).messages.count
        while let deadline = client.deadline, client.state == .requesting {
            requests += client.timeOut(at: deadline).messages.filter { $0.kind == .request }.count
        }
        #expect(requests >= 3 && client.state == .selecting && client.lastProblem == "the server does not confirm its offer")
    }

    @Test func givesUpAlsoWhileAServerDoesNotConfirm() {
        var client = DHCPClient(Sample.settings(), seed: 1)
        var discover = client.start(at: 0).message
        while let deadline = client.deadline, deadline < 208_000 { discover = client.timeOut(at: deadline).message }
        #expect(client.receive(Sample.reply(.offer, to: discover), from: Sample.serverMAC, at: 207_990).message.kind == .request)
        #expect(client.deadline == 208_000)
        #expect(client.timeOut(at: 208_020) == [.failed("no more tries: the server does not confirm its offer")] && client.deadline == nil)
    }

    @Test func searchesAnewAfterNAK() {
        var client = DHCPClient(Sample.settings(), seed: 1)
        let discover = client.start(at: 0).message
        let request = client.receive(Sample.reply(.offer, to: discover), from: Sample.serverMAC, at: 0).message
        let nak = Sample.reply(.nak, to: request) { $0.options[DHCPOption.message] = Array("no".utf8) }
        #expect(client.receive(nak, from: Sample.serverMAC, at: 0).isEmpty && client.lastProblem == "server 10.9.0.1 refuses: no")
        let again = client.timeOut(at: client.deadline ?? 0).message
        #expect(again.kind == .discover && again.transaction != discover.transaction)
    }

    @Test func passesOverWhatIsNotForIt() {
        var client = DHCPClient(Sample.settings(), seed: 1)
        let discover = client.start(at: 0).message
        let changes: [(inout DHCPMessage) -> Void] = [
            { $0.transaction &+= 1 }, { $0.hardwareAddress = Sample.serverMAC }, { $0.isReply = false },
            { $0.yourAddress = .unspecified(.v4) },
            { $0.options[DHCPOption.serverIdentifier] = nil }, { $0.options[DHCPOption.serverIdentifier] = [1, 2, 3] },
            { $0.options[DHCPOption.messageType] = [5] }, { $0.options[DHCPOption.messageType] = nil },
            { $0.options[DHCPOption.clientIdentifier] = [1] },
        ]
        for change in changes {
            #expect(client.receive(Sample.reply(.offer, to: discover, change), from: Sample.serverMAC, at: 0).isEmpty)
            #expect(client.state == .selecting)
        }
    }

    @Test func takesTheFirstOfTwoOffers() {
        var client = DHCPClient(Sample.settings(), seed: 1)
        let discover = client.start(at: 0).message
        let request = client.receive(Sample.reply(.offer, to: discover, server: "10.9.0.2"), from: Sample.serverMAC, at: 0).message
        #expect(request.options[54] == [10, 9, 0, 2])
        #expect(client.receive(Sample.reply(.offer, to: discover, server: "10.9.0.1"), from: Sample.serverMAC, at: 0).isEmpty)
        for kind in [DHCPMessage.Kind.ack, .nak] {
            #expect(client.receive(Sample.reply(kind, to: request, server: "10.9.0.1"), from: Sample.serverMAC, at: 0).isEmpty)
            #expect(client.state == .requesting)
        }
        #expect(client.receive(Sample.reply(.ack, to: request, server: "10.9.0.2"), from: Sample.serverMAC, at: 0).count == 1)
    }

    @Test func renewsByUnicastThenByBroadcastThenLosesTheLease() {
        var client = bound()
        let t1 = client.deadline ?? 0
        #expect(t1 > 47_000 && t1 <= 50_000)
        let own = Sample.address("10.9.0.5")
        var deliveries: [(Int, DHCPClient.Delivery)] = []
        while let deadline = client.deadline {
            let actions = client.timeOut(at: deadline)
            if case .lost(let lease, let reason)? = actions.first {
                #expect(deadline == 100_000 && lease.address.address == own && reason == "it has ended: no server extended it")
                break
            }
            guard case .send(let message, let delivery)? = actions.first else { continue }
            #expect(message.clientAddress == own && message.options[50] == nil && message.options[54] == nil)
            deliveries.append((deadline, delivery))
        }
        let unicast = DHCPClient.Delivery.unicast(to: Sample.address("10.9.0.1"), from: own)
        #expect(deliveries.allSatisfy { $0.1 == ($0.0 < 87_500 ? unicast : .broadcast(from: own)) })
        #expect(deliveries.count >= 4 && deliveries.contains { $0.0 == 87_500 })
        #expect(client.state == .selecting)
    }

    @Test func anExtensionCountsFromItsRequest() {
        var client = bound()
        let t1 = client.deadline ?? 0
        let request = client.timeOut(at: t1).message
        let actions = client.receive(Sample.reply(.ack, to: request), from: Sample.serverMAC, at: t1 + 500)
        guard case .granted(let lease, let before?)? = actions.first else {
            Issue.record("not extended")
            return
        }
        #expect(lease.start == t1 && before.start == 0 && client.state == .bound)
    }

    @Test func aRefusedExtensionEndsTheLease() {
        var client = bound()
        let request = client.timeOut(at: client.deadline ?? 0).message
        let actions = client.receive(Sample.reply(.nak, to: request), from: Sample.serverMAC, at: 50_000)
        guard case .lost? = actions.first else {
            Issue.record("not lost")
            return
        }
        #expect(actions.message.kind == .discover)
    }

    @Test func aLeaseForEverHasNoDeadline() { #expect(bound(lease: UInt32.max).deadline == nil) }

    @Test func longTimesDoNotOverflow() { #expect(bound(lease: UInt32.max - 1).deadline != nil) }

    @Test func resumes() {
        guard let lease = bound().lease else {
            Issue.record("no lease")
            return
        }
        var early = DHCPClient(Sample.settings(), seed: 3)
        #expect(early.resume(lease, at: 10_000).isEmpty && early.deadline == 50_000)
        var due = DHCPClient(Sample.settings(), seed: 3)
        #expect(due.resume(lease, at: 95_000).isEmpty && (95_000...100_000).contains(due.deadline ?? 0))
        #expect(due.timeOut(at: due.deadline ?? 0).messages.count == 1 && due.state == .rebinding)
        var late = DHCPClient(Sample.settings(), seed: 3)
        guard case .lost? = late.resume(lease, at: 100_000).first else {
            Issue.record("not lost")
            return
        }
        #expect(late.state == .selecting)
    }

    @Test func gives_back() {
        var client = bound()
        let release = client.stop()
        #expect(release?.kind == .release && release?.clientAddress.text == "10.9.0.5" && release?.options[54] == [10, 9, 0, 1])
        #expect(release?.options[61] == [0] + Array("id/net/eth0".utf8))
        #expect(client.stop() == nil && client.deadline == nil)
    }
}
