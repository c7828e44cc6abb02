import ModuleKit

/// tuning: sets kernel parameters of the container's network, and attributes of its interface.
enum Tuning {
    static let descriptor = ModuleDescriptor(
        type: "tuning", kind: .meta, description: "sets kernel parameters and attributes of the container's interface",
        capabilities: ["mac"], schema: schema)

    /// ADD: keeps the values that are there, and sets those of the configuration.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try TuningConfig(call.config, interface: call.interfaceName, arguments: try call.arguments())
        try Allowlist()?.require(config.parameters.map { $0.key })
        let previous = try call.requireChained("tuning")
        if config.isEmpty { return nil }
        return try TuningAdd(call, config).run(previous)
    }

    /// DEL: sets the values that were there before ADD, as far as there is something to set them on, and forgets them.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let path = Backup.path(try TuningConfig.dataDirectory(call.config), call.attachment)
        do throws(CNIError) {
            if let backup = try Backup.read(path), call.netnsDescriptor != nil { Restoration(call).run(backup) }
        } catch {
            call.log(.warning, "tuning: \(error.text)")
        }
        try Backup.remove(path)
    }

    /// CHECK: compares kernel parameters and the link with the configuration.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try TuningConfig(call.config, interface: call.interfaceName, arguments: try call.arguments())
        _ = try call.requireResult()
        var differences = Differences()
        differences.add(try TuningCheck(call, config).differences())
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// GC: forgets the values of this network's attachments that are not in use.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        try Backup.collect(try TuningConfig.dataDirectory(call.config), network: call.network, valid: call.validAttachments)
    }

    /// STATUS: whether the node allows the kernel parameters, and values can be kept.
    static func status(_ call: ModuleCall) throws(CNIError) {
        try unavailable { () throws(CNIError) in
            let config = try TuningConfig(call.config, interface: "eth0", arguments: try CNIArguments(""))
            try Allowlist()?.require(config.parameters.map { $0.key })
            guard File.exists(config.dataDirectory) else { return }
            do throws(Errno) {
                try Directory.checkWritable(config.dataDirectory)
            } catch {
                throw CNIError("dataDir: write into \(config.dataDirectory): \(error.text)")
            }
        }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func tuningModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Tuning.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Tuning.add) }, del: { ModuleRun.other($0, Tuning.del) }, check: { ModuleRun.other($0, Tuning.check) },
            gc: { ModuleRun.other($0, Tuning.gc) }, status: { ModuleRun.other($0, Tuning.status) })
    }
#endif
