import ModuleKit

/// The configuration of tap, read and checked.
struct TapConfig {
    let multiQueue: Bool
    /// MTU; nil for the kernel's.
    let mtu: Int?
    /// The hardware address; nil for a random one.
    let mac: MACAddress?
    /// The user who may attach beside root; nil for no one.
    let owner: UInt32?
    /// The group whose members may attach; nil for none.
    let group: UInt32?
    /// The SELinux context that the device gets; nil for that of the engine.
    let selinuxContext: String?
    /// The bridge in the container that the tap becomes a port of; nil for none.
    let bridge: String?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Nil for an interface without addresses.
    let ipam: IPAMDelegate?

    /// - Parameter arguments: CNI_ARGS; nil where they don't matter (DEL).
    init(_ config: ConfigReader, arguments: CNIArguments?) throws(CNIError) {
        multiQueue = try config.bool("multiQueue")
        mtu = try config.mtu()
        owner = try TapConfig.id(config, "owner")
        group = try TapConfig.id(config, "group")
        selinuxContext = try config.nonEmpty("selinuxContext")
        bridge = try config.nonEmpty("bridge")
        if let bridge { do throws(CNIError) { try Names.checkInterface(bridge) } catch { throw config.invalid("bridge", error.message) } }
        mac = try arguments.map { (arguments) throws(CNIError) in try config.mac(arguments) } ?? nil
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
    }

    private static func id(_ config: ConfigReader, _ key: String) throws(CNIError) -> UInt32? {
        try config.unsigned(key).map { UInt32(clamping: $0) }
    }
}
