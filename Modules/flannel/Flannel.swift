import ModuleKit

/// flannel: connects the container to flannel's network, by a delegate that it configures with what flanneld says of this node.
enum Flannel {
    static let descriptor = ModuleDescriptor(
        type: "flannel", kind: .interface, description: "configures another plugin, bridge if none is named, with what flanneld says",
        schema: schema)

    /// ADD: makes the delegate's configuration, keeps it, and has the delegate do the work.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try FlannelConfig(call.config)
        let delegate = try configuration(call, config)
        let path = try KeptConfiguration(call, config.dataDirectory).write(delegate)
        do throws(CNIError) {
            return try call.delegateAdd(config.delegateType, config: delegate)
        } catch {
            // The host has undone it.
            do throws(CNIError) { try KeptConfiguration.remove(path) } catch let second { call.log(.warning, second.text) }
            throw error
        }
    }

    /// DEL: has the delegate undo what it did, with the configuration of then. Where that is lost, that of now has to do; where flanneld
    /// says nothing either, there is nothing to go by.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let config = try FlannelConfig(call.config)
        if let kept = KeptConfiguration(call, config.dataDirectory).read() {
            try call.delegate(type(of: kept.config, config), .del, config: kept.config)
            try KeptConfiguration.remove(kept.path)
            return
        }
        let delegate: JSONObject
        do throws(CNIError) {
            delegate = try configuration(call, config)
        } catch {
            call.log(.warning, "flannel: the delegate's configuration of ADD is not in \(config.dataDirectory): \(error.text)")
            return
        }
        try call.delegate(config.delegateType, .del, config: delegate)
    }

    /// CHECK: has the delegate compare what it made.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try FlannelConfig(call.config)
        if let kept = KeptConfiguration(call, config.dataDirectory).read()?.config {
            try call.delegate(type(of: kept, config), .check, config: kept)
        } else {
            try call.delegate(config.delegateType, .check, config: try configuration(call, config))
        }
    }

    /// REPAIR: has the delegate make anew what others took away.
    static func repair(_ call: ModuleCall) throws(CNIError) {
        let config = try FlannelConfig(call.config)
        guard let kept = KeptConfiguration(call, config.dataDirectory).read()?.config else { return }
        try call.delegate(type(of: kept, config), .repair, config: kept)
    }

    /// GC: has the delegate do it, and forgets the configurations of what is not in use.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        let config = try FlannelConfig(call.config)
        do throws(CNIError) {
            try call.delegate(config.delegateType, .gc, config: try configuration(call, config))
        } catch {
            // Before flanneld has written its file there is no configuration for the delegate, and it has made nothing.
            guard error.code == .tryAgainLater else { throw error }
            call.log(.warning, "flannel: GC without the delegate: \(error.text)")
        }
        try KeptConfiguration(call, config.dataDirectory).collect()
    }

    /// STATUS: whether flanneld has said what is needed, and the delegate is ready.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let (config, delegate) = try unavailable { () throws(CNIError) in
            let config = try FlannelConfig(call.config)
            return (config, try configuration(call, config))
        }
        try call.delegate(config.delegateType, .status, config: delegate)
    }

    private static func configuration(_ call: ModuleCall, _ config: FlannelConfig) throws(CNIError) -> JSONObject {
        try config.configuration(try SubnetFile(config.subnetFile), cniVersion: call.cniVersion)
    }

    private static func type(of delegate: JSONObject, _ config: FlannelConfig) -> String {
        delegate["type"]?.string ?? config.delegateType
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func flannelModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Flannel.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Flannel.add) }, del: { ModuleRun.other($0, Flannel.del) },
            check: { ModuleRun.other($0, Flannel.check) }, gc: { ModuleRun.other($0, Flannel.gc) },
            status: { ModuleRun.other($0, Flannel.status) }, repair: { ModuleRun.other($0, Flannel.repair) })
    }
#endif
