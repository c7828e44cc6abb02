import ModuleKit

/// The limits that are in force, compared with what ADD set.
struct BandwidthCheck {
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

    /// All differences, one line each.
    func differences(_ result: CNIResult) throws(CNIError) -> [String] {
        let veth = try HostEnd(call, result).link
        var found: [String] = []
        if let limit = config.ingress { found += try bucket(limit, of: veth) }
        guard let limit = config.egress else { return found }
        let name = ShapingLink.present(call, result)
        guard let ifb = try attempt(try host.link(named: name)), ifb.kind == "ifb" else { return found + ["ifb \(name): found none"] }
        if !ifb.isUp { found.append("\(name): expected up, found down") }
        let redirects = try attempt(try host.ingressRedirects(index: veth.index))
        if !redirects.contains(where: { $0.target == ifb.index && $0.takesAll }) {
            let other = redirects.isEmpty ? "none" : "another filter"
            found.append("\(veth.name): expected all it receives redirected to \(name), found \(other)")
        }
        return try found + bucket(limit, of: ifb)
    }

    private func bucket(_ limit: BandwidthConfig.Limit, of link: LinkInfo) throws(CNIError) -> [String] {
        let wanted = TokenBucket(limit, clock: clock)
        let qdisc = try attempt(try host.rootQdisc(index: link.index))
        guard let found = qdisc?.tokenBucket else {
            return ["\(link.name): expected a limit of \(wanted.rate) bytes a second, found \(qdisc?.kind ?? "none")"]
        }
        var differences = Differences()
        differences.expect("\(link.name): rate", wanted.rate, found.rate) { "\($0) bytes a second" }
        differences.expect("\(link.name): limit", wanted.limit, found.limit) { "\($0) bytes" }
        if !found.hasBurst(of: wanted) {
            differences.add("\(link.name): burst: expected \(wanted.ticks) ticks at the rate, found \(found.ticks)")
        }
        return differences.lines
    }
}
