import CLinux
import ModuleKit

/// loopback: brings the container's `lo` up.
enum Loopback {
    static let descriptor = ModuleDescriptor(
        type: "loopback", kind: .interface, description: "brings the container's loopback interface up", schema: schema)

    private static let name = "lo"

    /// ADD: sets `lo` up and reports it. As in the reference, CNI_IFNAME is not looked at, and a prevResult is handed on.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let socket = try call.containerNetlink()
        guard let link = try attempt(try socket.link(named: name)) else { throw CNIError("set lo up: \(call.netns) has no such link") }
        try attempt(try socket.setLink(index: link.index, name: name, LinkChange(up: true)))
        let addresses = try attempt(try socket.addresses(index: link.index)).map { $0.address }
        for address in addresses where !address.address.isLoopback {
            throw CNIError("loopback interface has the non-loopback address \(address.text)", details: "remove it from lo in \(call.netns)")
        }
        return call.previousResult == nil ? result(addresses, call) : nil
    }

    private static func result(_ addresses: [IPNetwork], _ call: ModuleCall) -> CNIResult {
        var ips: [CNIResult.IP] = []
        for family in [IPAddress.Family.v4, .v6] {
            if let first = addresses.first(where: { $0.address.family == family }) {
                ips.append(CNIResult.IP(address: first, interface: 0))
            }
        }
        return CNIResult(interfaces: [CNIResult.Interface(name: name, mac: "00:00:00:00:00:00", sandbox: call.netns)], ips: ips)
    }

    /// DEL: sets `lo` down. A namespace that is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        if call.netnsDescriptor == nil { return }
        let socket = try call.containerNetlink()
        guard let link = try attempt(try socket.link(named: name)) else { return }
        try attempt(try socket.setLink(index: link.index, name: name, LinkChange(up: false)))
    }

    /// CHECK: `lo` is up.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let socket = try call.containerNetlink()
        guard try attempt(try socket.link(named: name))?.isUp == true else {
            throw CNIError("check \(call.containerID): lo in \(call.netns): expected up, found down")
        }
    }

    /// JSON Schema (2020-12): there is nothing to configure.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "loopback",
          "type": "object",
          "properties": { "type": { "const": "loopback" } }
        }
        """
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func loopbackModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Loopback.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Loopback.add) }, del: { ModuleRun.other($0, Loopback.del) },
            check: { ModuleRun.other($0, Loopback.check) }, gc: nil, status: nil)
    }
#endif
