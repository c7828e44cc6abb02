import ModuleKit

/// One ADD of bandwidth, step by step; what it made is removed again when a later step fails.
struct BandwidthAdd {
    private let call: ModuleCall
    private let config: BandwidthConfig
    private let clock: SchedulerClock
    private let host: NetlinkSocket

    init(_ call: ModuleCall, _ config: BandwidthConfig) throws(CNIError) {
        self.call = call
        self.config = config
        clock = try SchedulerClock()
        host = try call.hostNetlink()
    }

    /// The result: the previous one, and the ifb.
    func run(_ previous: CNIResult) throws(CNIError) -> CNIResult {
        let veth = try HostEnd(call, previous).link
        warnOfSmallBursts(mtu: veth.mtu)
        var result = previous
        if let limit = config.ingress { try attempt(try host.addTokenBucket(bucket(limit), index: veth.index, name: veth.name)) }
        guard let limit = config.egress else { return result }
        do throws(CNIError) {
            let ifb = try makeIfb(mtu: veth.mtu)
            do throws(CNIError) {
                // The limit first: nothing goes through unlimited.
                try attempt(try host.addTokenBucket(bucket(limit), index: ifb.index, name: ifb.name))
                try redirect(veth, to: ifb)
            } catch {
                quietly { () throws(NetlinkError) in try host.deleteLink(index: ifb.index) }
                throw error
            }
            result.interfaces.append(CNIResult.Interface(name: ifb.name, mac: ifb.mac?.text))
            return result
        } catch {
            if config.ingress != nil { quietly { () throws(NetlinkError) in try host.deleteRootQdisc(index: veth.index) } }
            throw error
        }
    }

    private func bucket(_ limit: BandwidthConfig.Limit) -> TokenBucket { TokenBucket(limit, clock: clock) }

    private func makeIfb(mtu: Int) throws(CNIError) -> LinkInfo {
        let name = ShapingLink.name(call)
        do throws(NetlinkError) {
            try host.createIfb(name: name, mtu: mtu)
        } catch {
            switch error.errno {
            case .exists: throw CNIError("create ifb \(name): it is there already", details: "run DEL first")
            case .notSupported: throw CNIError(error.cni.message, details: Bandwidth.advice)
            default: throw error.cni
            }
        }
        guard let link = try attempt(try host.link(named: name)) else { throw CNIError("ifb \(name) vanished") }
        try attempt(try host.setLink(index: link.index, name: name, LinkChange(alias: ShapingLink.identity(call))))
        return link
    }

    private func redirect(_ veth: LinkInfo, to ifb: LinkInfo) throws(CNIError) {
        do throws(NetlinkError) {
            try host.redirectIngress(index: veth.index, name: veth.name, to: ifb.index)
        } catch {
            if error.errno != .exists { quietly { () throws(NetlinkError) in try host.deleteIngressQdisc(index: veth.index) } }
            throw error.cni
        }
    }

    /// What is longer than the burst never gets through.
    private func warnOfSmallBursts(mtu: Int) {
        for (direction, limit) in [("ingress", config.ingress), ("egress", config.egress)] {
            guard let limit, limit.burst / 8 < UInt64(mtu) + 14 else { continue }
            call.log(
                .warning, "bandwidth: \(direction)Burst \(limit.burst) is less than a packet of MTU \(mtu): longer packets are dropped")
        }
    }

    private func quietly(_ body: () throws(NetlinkError) -> Void) {
        do throws(NetlinkError) { try body() } catch { call.log(.warning, error.cni.text) }
    }
}
