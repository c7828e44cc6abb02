import ModuleKit

/// routed: connects the container to the host by a veth pair without a bridge; the host routes each address of the container.
enum Routed {
    static let descriptor = ModuleDescriptor(
        type: "routed", kind: .interface, version: "1.0.0", description: "connects the container by a veth pair that the host routes to",
        schema: schema)

    private static let kind = "veth"

    /// The next hop of all containers: an address of the host's end of each pair, which never leaves that link.
    static func gateway(_ family: IPAddress.Family) -> IPAddress {
        family == .v4 ? IPAddress(family: .v4, high: 0, low: 0xa9fe_0101) : IPAddress(family: .v6, high: 0xfe80_0000_0000_0000, low: 1)
    }

    /// The host's end. Its name is made of the attachment, so that DEL finds it without a namespace and a result.
    static func hostName(_ call: ModuleCall) -> String {
        let hash = String(FNV1a.hash("\(call.network)/\(call.containerID)/\(call.interfaceName)"), radix: 16)
        return "rt-" + String(hash.prefix(11))
    }

    /// ADD: makes the pair, addresses, routes on both sides, and the masquerade.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? { try RoutedAdd(call, try RoutedConfig(call.config)).run() }

    /// DEL: masquerade first, then the pair, then the addresses: nobody else can get them before. What is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let config = try RoutedConfig(call.config)
        if config.ipMasq {
            try Masquerade.nftables.remove(call, addresses: call.previousResult?.containerAddresses(on: call.interfaceName) ?? [])
        }
        try call.commitNft()
        let host = try call.hostNetlink()
        try attempt(try host.deleteLink(named: hostName(call)))
        try config.ipam?.del(call)
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try RoutedConfig(call.config)
        try call.delegate(try config.requireIPAM().type, .check)
        let result = try call.requireResult()
        var differences = Differences()
        differences.add(try InterfaceCheck.differences(call, result: result, kind: kind))
        let addresses = result.containerAddresses(on: call.interfaceName)
        differences.add(try hostDifferences(call, addresses))
        if config.ipMasq { differences.add(try Masquerade.nftables.check(call, addresses: addresses)) }
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    private static func hostDifferences(_ call: ModuleCall, _ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        let host = try call.hostNetlink()
        let name = hostName(call)
        guard let link = try attempt(try host.link(named: name)) else { return ["\(name): expected on the host, found none"] }
        var differences = Differences()
        differences.expect("\(name)", true, link.isUp) { $0 ? "up" : "down" }
        let present = try attempt(try host.addresses(index: link.index)).map { $0.address.address }
        for address in addresses {
            let family = address.address.family
            let routes = try attempt(try host.routes(family, link: link.index))
            if !routes.contains(where: { $0.destination == address.network }) {
                differences.add("\(name): expected a route to \(address.text) on the host, found none")
            }
            if !present.contains(gateway(family)) { differences.add("\(name): expected address \(gateway(family).text), found none") }
        }
        return differences.lines
    }

    /// GC: removes what containers left that are not in use; addresses by the IPAM plugin. A pair goes with its namespace.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        let config = try RoutedConfig(call.config)
        try Masquerade.nftables.collect(call)
        try call.commitNft()
        if let ipam = config.ipam { try call.delegate(ipam.type, .gc) }
    }

    /// STATUS: whether the kernel can make veth pairs, nftables can be used, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try RoutedConfig(call.config)
        try KernelTrial.make("veth pairs", advice: "load the kernel module veth") { () throws(CNIError) in
            try attempt(try NetlinkSocket.open().createVeth(VethRequest(name: "trial0", peerName: "trial1")))
        }
        if config.ipMasq { try Masquerade.nftables.checkAvailable(call) }
        try call.delegate(try config.requireIPAM().type, .status)
    }

    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "routed",
          "type": "object",
          "properties": {
            "type": { "const": "routed" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the kernel's" },
            "ipMasq": { "type": "boolean", "default": false, "description": "masquerade what leaves the network" },
            "ipam": {
              "type": "object",
              "properties": { "type": { "type": "string", "minLength": 1, "description": "the plugin that gives addresses" } },
              "required": ["type"]
            },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" }
          },
          "required": ["ipam"]
        }
        """
}

#if hasFeature(Embedded)
    /// The one symbol of the module: see catena/module.h.
    @c(catena_module_entry)
    public func catenaModuleEntry(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Routed.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Routed.add) }, del: { ModuleRun.other($0, Routed.del) }, check: { ModuleRun.other($0, Routed.check) },
            gc: { ModuleRun.other($0, Routed.gc) }, status: { ModuleRun.other($0, Routed.status) })
    }
#endif
