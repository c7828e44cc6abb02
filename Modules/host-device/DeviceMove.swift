import ModuleKit

/// A device's way into the container, and back.
///
/// What has to be known for the way back is kept in the kernel with the link itself: the name in its alias, as the reference plugin has it,
/// and whether it was up in the flag IFF_NOTRAILERS, which has had no meaning since 4.2BSD. So nothing is lost when a process or the machine
/// dies in between.
struct DeviceMove {
    private let call: ModuleCall
    private let host: NetlinkSocket

    init(_ call: ModuleCall) throws(CNIError) {
        self.call = call
        host = try call.hostNetlink()
    }

    /// The name that a link had in the host, by its alias; nil where the alias is missing or can't be a name.
    static func formerName(_ link: LinkInfo) -> String? {
        guard let alias = link.alias, !alias.utf8.contains(UInt8(ascii: "%")), (try? Names.checkInterface(alias)) != nil else { return nil }
        return alias
    }

    // MARK: Into the container

    /// Moves the device into the container under CNI_IFNAME. When that fails, it is in the host again.
    func take(_ device: LinkInfo) throws(CNIError) -> LinkInfo {
        let container = try call.containerNetlink()
        if try call.containerInterface() != nil {
            throw CNIError(
                "move link \(device.name): interface \(call.interfaceName) already exists in \(call.netns)", details: "run DEL first")
        }
        let move = LinkMove(
            namespace: try call.requireNetns(), name: call.interfaceName, alias: device.name, noTrailers: device.isUp)
        do throws(NetlinkError) {
            try host.move(device, move)
            if let link = try container.link(named: call.interfaceName) { return link }
        } catch {
            // The kernel moves first and renames then: it may be in the container, by the one name or the other.
            for name in [device.name, call.interfaceName] {
                if let link = try attempt(try container.link(named: name)), isSame(link, device) { giveBackAfterFailure(link, device) }
            }
            throw refused(error, device)
        }
        throw CNIError("interface \(call.interfaceName) vanished from \(call.netns)")
    }

    /// Moves the device back after something failed. What fails here is logged: the first failure is what counts.
    func giveBackAfterFailure(_ link: LinkInfo, _ device: LinkInfo) {
        do throws(CNIError) {
            try giveBack(link, formerName: device.name, up: device.isUp)
        } catch {
            call.log(.error, "device \(device.name) stays in \(call.netns) as \(link.name): \(error.text)")
        }
    }

    private func isSame(_ link: LinkInfo, _ device: LinkInfo) -> Bool { link.mac == device.mac && link.kind == device.kind }

    private func refused(_ error: NetlinkError, _ device: LinkInfo) -> CNIError {
        let cni = error.cni
        switch error.errno {
        case .invalid: return CNIError(cni.message, details: "some links can't leave their namespace: lo, bridges, wireless devices")
        case .exists: return CNIError(cni.message, details: "the container has an interface of that name, or of one of its other names")
        case .noDevice: return CNIError(cni.message, details: "someone else has moved or removed it meanwhile")
        default: return cni
        }
    }

    // MARK: Back to the host

    /// Moves a link out of the container, to the host, by its former name. Where that is taken there or not known, by a free name: better
    /// that than in a namespace that is about to vanish, which would be the end of a virtual link.
    func giveBack(_ link: LinkInfo, formerName: String?, up: Bool) throws(CNIError) {
        let own = try NetworkNamespace.current()
        let container = try call.containerNetlink()
        var moved: LinkInfo?
        var failure: CNIError?
        for name in DeviceMove.candidates(formerName) {
            if let other = try attempt(try host.link(named: name)), other.index != moved?.index { continue }
            // Under another name it keeps the alias: it tells which device it is.
            let move = LinkMove(
                namespace: moved == nil ? own.fd : nil, name: name, alias: name == formerName ? "" : formerName ?? "", up: up ? true : nil,
                noTrailers: false)
            do throws(NetlinkError) {
                try (moved == nil ? container : host).move(moved ?? link, move)
                if name != formerName { call.log(.warning, "device \(formerName ?? link.name) is back in the host under the name \(name)") }
                return
            } catch {
                failure = error.cni
                if moved == nil { moved = try whereabouts(link, name, container) }
                // In the host by its name, all that failed is to bring it up.
                if let moved, moved.name == name {
                    call.log(.warning, error.cni.text)
                    return
                }
                if error.errno != .exists { break }
            }
        }
        let reason = failure ?? CNIError("move link \(link.name) to the host: no name is free there")
        // In the host it is safe, whatever its name.
        guard let moved else { throw reason }
        call.log(.warning, "device \(formerName ?? link.name) is back in the host under the name \(moved.name): \(reason.text)")
    }

    /// The link where it is in the host after a failure; nil where it is in the container still.
    private func whereabouts(_ link: LinkInfo, _ name: String, _ container: NetlinkSocket) throws(CNIError) -> LinkInfo? {
        if try attempt(try container.link(named: link.name)) != nil { return nil }
        for name in [name, link.name] {
            if let found = try attempt(try host.link(named: name)), isSame(found, link) { return found }
        }
        return nil
    }

    /// The former name, then those that the kernel itself would choose.
    private static func candidates(_ formerName: String?) -> [String] {
        (formerName.map { [$0] } ?? []) + (0..<256).map { "dev\($0)" }
    }

    /// Gives a device its name and state back that the kernel has put into the host by itself, when the container's namespace vanished.
    ///
    /// - Parameter isDevice: whether a link can be the attachment's device.
    func adopt(_ isDevice: (LinkInfo) -> Bool) throws(CNIError) {
        for link in try attempt(try host.links()) where isDevice(link) && isPutBack(link) {
            guard let name = DeviceMove.formerName(link) else { continue }
            if let other = try attempt(try host.link(named: name)), other.index != link.index {
                call.log(.warning, "device \(name) is back in the host under the name \(link.name): its own is taken")
                continue
            }
            let move = LinkMove(namespace: nil, name: name, alias: "", up: link.hasNoTrailers ? true : nil, noTrailers: false)
            try attempt(try host.move(link, move))
        }
    }

    /// Whether the kernel may have put a link back: down, by its name in the container, or `dev1` where the host has one of that name. Another
    /// link's alias is a person's, and no name.
    private func isPutBack(_ link: LinkInfo) -> Bool {
        let digits = link.name.utf8.dropFirst(3)
        let isChosen = link.name.hasPrefix("dev") && !digits.isEmpty && digits.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
        return link.kind == nil && !link.isUp && (link.name == call.interfaceName || isChosen)
    }
}
