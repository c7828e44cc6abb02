import ModuleKit

/// The configuration of macvlan, read and checked.
struct MacvlanConfig {
    /// The link that it is made on.
    let master: MasterChoice
    let mode: MacvlanMode
    /// MTU; nil for the master's.
    let mtu: Int?
    /// The hardware address; nil for a random one, or the master's in mode passthru.
    let mac: MACAddress?
    /// How many broadcast packets may wait; nil for the kernel's default.
    let broadcastQueueLength: UInt32?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Nil for an interface without addresses.
    let ipam: IPAMDelegate?

    /// - Parameter arguments: CNI_ARGS; nil where they don't matter (all but ADD).
    init(_ config: ConfigReader, arguments: CNIArguments?) throws(CNIError) {
        master = try MasterChoice(config)
        mode = try MacvlanConfig.mode(config)
        mtu = try config.mtu()
        let length = try config.unsigned("bcqueuelen") ?? 0
        broadcastQueueLength = length == 0 ? nil : UInt32(clamping: length)
        mac = try arguments.map { (arguments) throws(CNIError) in try config.mac(arguments) } ?? nil
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
    }

    private static func mode(_ config: ConfigReader) throws(CNIError) -> MacvlanMode {
        guard let name = try config.nonEmpty("mode") else { return .bridge }
        guard let mode = MacvlanMode(rawValue: name) else {
            throw config.invalid("mode", "expected bridge, private, vepa or passthru, found \"\(name)\"")
        }
        return mode
    }

    /// Makes such a link: ADD in the container, STATUS where it disturbs no one.
    func make(_ socket: NetlinkSocket, _ link: StackedLink) throws(NetlinkError) {
        try socket.createMacvlan(MacvlanRequest(link, mode: mode, broadcastQueueLength: broadcastQueueLength))
    }
}
