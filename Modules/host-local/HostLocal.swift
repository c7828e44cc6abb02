import ModuleKit

/// host-local: hands out addresses from ranges of this host's own, and keeps them in files.
enum HostLocal {
    static let descriptor = ModuleDescriptor(
        type: "host-local", kind: .ipam, description: "addresses from ranges of this host's own, reserved in files",
        capabilities: ["ips", "ipRanges"], schema: schema)

    /// ADD: reserves one address from each range set.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try HostLocalConfig(
            call.config, network: call.network, cniVersion: call.cniVersion, arguments: try call.arguments())
        let dns = try config.resolverFile.map { (file) throws(CNIError) in try ResolverFile.read(file) }
        let store = try AddressStore.open(config.location, boot: boot(call), notify: notify(call))
        defer { store.finish() }
        let allocator = Allocator(sets: config.sets, requested: config.requested, store: store)
        let ips = try allocator.allocate(for: call.attachment)
        return CNIResult(ips: ips, routes: config.routes, dns: dns ?? CNIResult.DNS())
    }

    /// DEL: releases all that the attachment holds. Of the configuration only the place of the reservations is read: an error in the
    /// rest must not keep addresses from being released.
    static func del(_ call: ModuleCall) throws(CNIError) {
        guard let store = try existingStore(call) else { return }
        defer { store.finish() }
        try store.release(call.attachment)
    }

    /// CHECK: compares what is reserved with what ADD returned.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try HostLocalConfig(
            call.config, network: call.network, cniVersion: call.cniVersion, arguments: try call.arguments())
        var held: [IPAddress] = []
        if let store = try existingStore(call) {
            defer { store.finish() }
            let reservations = try store.reservations(of: call.attachment)
            held = (reservations.present.isEmpty ? reservations.old : reservations.present).map { $0.address }
        }
        let differences = Differences.find(
            held: held, result: call.previousResult, interface: call.interfaceName, sets: config.sets, directory: config.location.directory)
        if let first = differences.first {
            throw CNIError(
                "check addresses of \(call.containerID) \(call.interfaceName): \(first)",
                details: differences.dropFirst().joined(separator: "; "))
        }
    }

    /// GC: releases what no valid attachment holds.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        guard let store = try existingStore(call) else { return }
        defer { store.finish() }
        let count = try store.releaseAll(except: call.validAttachments)
        if count > 0 { call.log(.info, "host-local: GC of network \(call.network) released \(count) addresses") }
    }

    /// STATUS: whether an ADD would find its configuration in order, its directory, and an address in each range set.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try HostLocalConfig(
            call.config, network: call.network, cniVersion: call.cniVersion, arguments: try CNIArguments(""))
        if let file = config.resolverFile { _ = try unavailable { () throws(CNIError) in try ResolverFile.read(file) } }
        let full = try unavailable { () throws(CNIError) in
            guard let store = try existingStore(call) else {
                try config.location.checkWritable()
                return config.sets.first { $0.capacity == 0 }.map(HostLocal.noAddress)
            }
            defer { store.finish() }
            for set in config.sets where try Allocator.firstFree(set, after: nil, in: store, take: { _ in true }) == nil {
                return try Allocator.exhausted(set, store)
            }
            return nil
        }
        if let full { throw CNIError(.notAvailable, full.message, details: full.details) }
    }

    /// The error for a set that has no address but its gateway's.
    private static func noAddress(_ set: RangeSet) -> CNIError { CNIError("no IP addresses available in range set: \(set.text)") }

    // MARK: Common ground

    private static func existingStore(_ call: ModuleCall) throws(CNIError) -> AddressStore? {
        let location = try StoreLocation(call.config, network: call.network)
        return try AddressStore.openExisting(location, boot: boot(call), notify: notify(call))
    }

    private static func boot(_ call: ModuleCall) -> Boot? {
        do throws(Errno) {
            return try Boot.current()
        } catch {
            call.log(.warning, "host-local: read the boot's ID: \(error.text); reservations of earlier boots are not freed")
            return nil
        }
    }

    private static func notify(_ call: ModuleCall) -> (AddressStore.Notice) -> Void {
        { call.log($0.isWarning ? .warning : .info, "host-local: \($0.text)") }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func hostLocalModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        HostLocal.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, HostLocal.add) }, del: { ModuleRun.other($0, HostLocal.del) },
            check: { ModuleRun.other($0, HostLocal.check) }, gc: { ModuleRun.other($0, HostLocal.gc) },
            status: { ModuleRun.other($0, HostLocal.status) })
    }
#endif
