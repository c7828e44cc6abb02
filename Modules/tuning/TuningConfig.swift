import ModuleKit

/// The configuration of tuning, read and checked.
struct TuningConfig {
    /// Kernel parameters, in order.
    private(set) var parameters: [KernelParameter]
    /// The hardware address; nil leaves it.
    let mac: MACAddress?
    /// Promiscuous mode; false leaves it.
    let promiscuous: Bool
    /// MTU; nil leaves it.
    let mtu: Int?
    /// Whether all multicast packets are received; nil leaves it.
    let allMulticast: Bool?
    /// How many packets may wait to be sent; nil leaves it.
    let txQueueLength: Int?
    /// Where the values before ADD are kept.
    let dataDirectory: String

    /// Of each value that is given more than once the last counts: the plain key, then CNI_ARGS, `runtimeConfig`, `args.cni`.
    init(_ config: ConfigReader, interface: String, arguments: CNIArguments) throws(CNIError) {
        try arguments.require(only: ["MAC"])
        let args = try config.object("args")?.object("cni")
        mac = try MACAddress.requested(
            lastOf: [
                try config.string("mac"), arguments["MAC"], try config.object("runtimeConfig")?.string("mac"), try args?.string("mac"),
            ])
        func source(_ key: String) -> ConfigReader { args.flatMap { $0.has(key) ? $0 : nil } ?? config }
        promiscuous = try source("promisc").bool("promisc")
        let number = try source("mtu").unsigned("mtu") ?? 0
        mtu = number == 0 ? nil : number
        allMulticast = try source("allmulti").optionalBool("allmulti")
        txQueueLength = try source("txQLen").unsigned("txQLen")
        dataDirectory = try TuningConfig.dataDirectory(config)
        parameters = []
        if let map = try config.object("sysctl") { try merge(map, interface) }
        if let map = try args?.object("sysctl") { try merge(map, interface) }
    }

    /// `dataDir`, which is all that DEL needs.
    static func dataDirectory(_ config: ConfigReader) throws(CNIError) -> String { try config.nonEmpty("dataDir") ?? "/run/cni/tuning" }

    /// Adds the parameters of an object, in place of those that are there. Two keys of one object for the same parameter are an error.
    private mutating func merge(_ map: ConfigReader, _ interface: String) throws(CNIError) {
        var own: [KernelParameter] = []
        for member in map.object.members {
            guard let value = member.value.string else { throw map.mismatch(member.key, "a string", member.value) }
            let parameter = try KernelParameter(key: member.key, value: value, interface: interface, place: map)
            if let other = own.first(where: { $0.parts == parameter.parts }) {
                throw map.invalid(member.key, "is the same parameter as \(other.key)")
            }
            own.append(parameter)
        }
        for parameter in own {
            if let index = parameters.firstIndex(where: { $0.parts == parameter.parts }) {
                parameters[index] = parameter
            } else {
                parameters.append(parameter)
            }
        }
    }

    /// What of the link is to change.
    var link: LinkSettings {
        LinkSettings(mac: mac, promiscuous: promiscuous ? true : nil, mtu: mtu, allMulticast: allMulticast, txQueueLength: txQueueLength)
    }

    /// Whether there is nothing to change.
    var isEmpty: Bool { parameters.isEmpty && link.isEmpty }
}
