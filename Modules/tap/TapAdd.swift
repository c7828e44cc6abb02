import CLinux
import ModuleKit

/// One ADD of tap, step by step; what it made is removed again when a later step fails.
struct TapAdd {
    private let call: ModuleCall
    private let config: TapConfig
    private let socket: NetlinkSocket

    init(_ call: ModuleCall, _ config: TapConfig) throws(CNIError) {
        self.call = call
        self.config = config
        socket = try call.containerNetlink()
    }

    func run() throws(CNIError) -> CNIResult {
        let master = try bridge()
        try create()
        do throws(CNIError) {
            try setUp(master)
        } catch {
            call.undoInterface()
            throw error
        }
        return try call.completeOnlyInterface(ipam: config.ipam, dns: config.dns)
    }

    /// The bridge's index; nil where none is configured.
    private func bridge() throws(CNIError) -> Int32? {
        guard let name = config.bridge else { return nil }
        guard let link = try attempt(try socket.link(named: name)) else {
            throw CNIError("bridge: there is no interface \(name) in \(call.netns)", details: "the bridge has to be in the container")
        }
        guard link.kind == "bridge" else {
            throw CNIError("bridge: \(name) in \(call.netns) is not a bridge but \(link.kind ?? "a device")")
        }
        return link.index
    }

    private func create() throws(CNIError) {
        let name = call.interfaceName
        let request = TapRequest(name: name, multiQueue: config.multiQueue, owner: config.owner, group: config.group)
        if try call.containerInterface() != nil { throw taken }
        try call.inContainer { () throws(CNIError) in
            if let context = config.selinuxContext {
                try LabelledTap(request: request, context: context).create()
                return
            }
            do throws(NetlinkError) { try request.create() } catch { throw explained(error) }
        }
    }

    private var taken: CNIError { call.interfaceExists(kind: "tap") }

    private func explained(_ error: NetlinkError) -> CNIError {
        switch error.errno.rawValue {
        case EBUSY: taken
        case ENOENT, ENODEV, ENXIO:
            CNIError(error.cni.message, details: Tap.advice)
        case EINVAL: CNIError(error.cni.message, details: "is the owner or group one of the engine's user namespace?")
        default: error.cni
        }
    }

    private func setUp(_ master: Int32?) throws(CNIError) {
        let link = try call.requireContainerInterface()
        let change = LinkChange(mac: config.mac, mtu: config.mtu, master: master)
        try attempt(try socket.setLink(index: link.index, name: link.name, change))
    }
}
