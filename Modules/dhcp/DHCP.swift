import DHCP
import DHCPSocket
import ModuleKit

/// dhcp: gets the addresses of a container from a DHCP server on its network, by way of the daemon catena-dhcpd.
enum DHCPModule {
    static let descriptor = ModuleDescriptor(
        type: "dhcp", kind: .ipam, description: "addresses from a DHCP server, leased and kept by the daemon catena-dhcpd", schema: schema)

    /// ADD: has the daemon get a lease for the interface, which has to exist.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        _ = try call.requireNetns()
        let config = try DHCPConfig(call.config, arguments: call.argumentText)
        let answer = try DaemonConnection.ask(config.socketPath, .allocate(try config.request(call)))
        guard let result = answer["result"] else { throw CNIError(.decodingFailure, "the DHCP daemon's answer holds no result") }
        return try ResultFormat.decode(result, defaultVersion: "1.1.0")
    }

    /// DEL: has the daemon give the lease back. Where it can't be reached, a note for it is left: it gives the lease back when it is there
    /// again, and DEL succeeds.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let key = try LeaseKey(network: call.network, containerID: call.containerID, interfaceName: call.interfaceName)
        do throws(CNIError) {
            _ = try DaemonConnection.ask(try DHCPConfig.socketPath(call.config), .release(key))
        } catch {
            try leaveNote(call, key, error)
        }
    }

    private static func leaveNote(_ call: ModuleCall, _ key: LeaseKey, _ why: CNIError) throws(CNIError) {
        if try LeaseDirectory().noteRelease(key) {
            call.log(.warning, "dhcp: \(why.message): the daemon gives the lease of \(key.text) back when it runs again")
        }
    }

    /// CHECK: there are leases, and all are of addresses that ADD reported.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try DHCPConfig(call.config, arguments: call.argumentText)
        let answer = try DaemonConnection.ask(config.socketPath, .check(try config.request(call).key))
        let leased = (answer["addresses"]?.array ?? []).compactMap { $0.string.flatMap { IPNetwork($0) } }
        if leased.isEmpty { throw CNIError(.decodingFailure, "the DHCP daemon's answer holds no address") }
        guard let result = call.previousResult, let address = leased.first(where: { own in !result.ips.contains { $0.address == own } })
        else { return }
        let expected = result.ips.map { $0.address.text }.joined(separator: ", ")
        throw CNIError("check \(call.containerID) \(call.interfaceName): expected a lease of \(expected), found one of \(address.text)")
    }

    /// GC: has the daemon give back what no valid attachment holds; where it can't be reached, notes are left.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        do throws(CNIError) {
            let request = DaemonRequest.collect(network: call.network, valid: call.validAttachments)
            let answer = try DaemonConnection.ask(try DHCPConfig.socketPath(call.config), request)
            let count = answer["released"]?.integer ?? 0
            if count > 0 { call.log(.info, "dhcp: GC of network \(call.network) released \(count) leases") }
        } catch {
            let valid = Set(call.validAttachments)
            for key in LeaseDirectory().keys(network: call.network) where !valid.contains(key.attachment) {
                try leaveNote(call, key, error)
            }
        }
    }

    /// STATUS: the configuration is valid, and the daemon answers.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try DHCPConfig(call.config, arguments: "")
        _ = try unavailable { () throws(CNIError) in try DaemonConnection.ask(config.socketPath, .status) }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func dhcpModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        DHCPModule.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, DHCPModule.add) }, del: { ModuleRun.other($0, DHCPModule.del) },
            check: { ModuleRun.other($0, DHCPModule.check) }, gc: { ModuleRun.other($0, DHCPModule.gc) },
            status: { ModuleRun.other($0, DHCPModule.status) })
    }
#endif
