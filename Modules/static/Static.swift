import ModuleKit

/// static: gives the addresses that the configuration, or the runtime, names. It keeps no state.
enum Static {
    static let descriptor = ModuleDescriptor(
        type: "static", kind: .ipam, description: "addresses as the configuration or the runtime names them", capabilities: ["ips"],
        schema: schema)

    /// ADD: the addresses, routes and DNS settings as configured. That no one else has an address is not looked at.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try config(call)
        for gateway in config.strayGateways {
            call.log(.warning, "static: GATEWAY \(gateway.text) of CNI_ARGS lies in the network of no address, and is left out")
        }
        return CNIResult(ips: config.ips, routes: config.routes, dns: config.dns)
    }

    /// CHECK: every address, with its gateway, is in what ADD returned. Whether the interface has them is its plugin's to check.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try config(call)
        let result = try call.requireResult()
        var differences = Differences()
        differences.add(missing(config.ips, in: result, interface: call.interfaceName))
        try differences.throwIfAny("addresses of \(call.containerID) \(call.interfaceName)")
    }

    /// A line for each address that the result does not give the interface, or gives with another gateway. A gateway where none is
    /// configured is no difference: interface plugins add one.
    static func missing(_ ips: [CNIResult.IP], in result: CNIResult, interface: String) -> [String] {
        let given = result.containerAddresses(on: interface)
        var lines: [String] = []
        for ip in ips {
            guard given.contains(ip.address) else {
                lines.append("\(ip.address.text) is configured, but prevResult does not have it")
                continue
            }
            let gateways = result.ips.filter { $0.address == ip.address }.map { $0.gateway }
            if let gateway = ip.gateway, !gateways.contains(gateway) {
                let found = gateways.compactMap { $0?.text }.first ?? "none"
                lines.append("\(ip.address.text): expected gateway \(gateway.text), found \(found) in prevResult")
            }
        }
        return lines
    }

    /// STATUS: whether the configuration is valid.
    static func status(_ call: ModuleCall) throws(CNIError) {
        _ = try StaticConfig(call.config, cniVersion: call.cniVersion, arguments: try CNIArguments(""))
    }

    private static func config(_ call: ModuleCall) throws(CNIError) -> StaticConfig {
        try StaticConfig(call.config, cniVersion: call.cniVersion, arguments: try call.arguments())
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h. DEL and GC have nothing to do: they read no configuration, and never fail.
    public func staticModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Static.descriptor.module(
            for: hostABI, add: { ModuleRun.add($0, Static.add) }, del: nil, check: { ModuleRun.other($0, Static.check) }, gc: nil,
            status: { ModuleRun.other($0, Static.status) })
    }
#endif
