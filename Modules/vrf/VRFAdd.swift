import ModuleKit

/// One ADD of vrf, step by step; the interface is as before when a later step fails.
struct VRFAdd {
    /// How long the kernel may take to have the addresses back, with duplicate address detection.
    private static let limit = 5_000
    private static let main = 254

    private let call: ModuleCall
    private let config: VRFConfig
    private let socket: NetlinkSocket
    private let link: LinkInfo

    init(_ call: ModuleCall, _ config: VRFConfig) throws(CNIError) {
        self.call = call
        self.config = config
        socket = try call.containerNetlink()
        link = try call.requireInterface()
    }

    func run() throws(CNIError) {
        if link.name == config.name { throw CNIError(.invalidConfiguration, "vrfname: \(link.name) is the container's interface") }
        try requireNoMaster()
        let (vrf, isNew) = try makeVRF()
        let routes = try ownRoutes()
        do throws(CNIError) {
            try enslave(to: vrf)
            for route in routes { try attempt(try socket.put(route, table: vrf.vrfTable ?? 0)) }
        } catch {
            undo(vrf, isNew, routes)
            throw error
        }
    }

    private func requireNoMaster() throws(CNIError) {
        guard let index = link.master else { return }
        let name = try attempt(try socket.link(index: index))?.name ?? "number \(index)"
        throw CNIError("put \(link.name) into VRF \(config.name): it has a master already, \(name)")
    }

    // MARK: VRF

    /// The VRF, made where it is missing, and whether it was.
    private func makeVRF() throws(CNIError) -> (LinkInfo, isNew: Bool) {
        if let present = try attempt(try socket.link(named: config.name)) { return (try checked(present), false) }
        var table = config.table ?? 0
        if table == 0 { table = RoutingTables.free(from: 1, used: try RoutingTables.used(socket)) }
        do throws(NetlinkError) {
            try socket.createVRF(name: config.name, table: table)
        } catch {
            throw error.errno == .notSupported ? CNIError(error.cni.message, details: VRF.advice) : error.cni
        }
        guard let made = try attempt(try socket.link(named: config.name)) else { throw CNIError("VRF \(config.name) vanished") }
        return (made, true)
    }

    /// A link that is there and has the name: it has to be a VRF with the configured table.
    private func checked(_ link: LinkInfo) throws(CNIError) -> LinkInfo {
        guard link.kind == "vrf", let table = link.vrfTable else {
            throw CNIError(
                .invalidConfiguration, "vrfname: \(link.name) exists in \(call.netns) and is not a VRF but \(link.kind ?? "a device")",
                details: "choose another name")
        }
        if let wanted = config.table, wanted != table {
            throw CNIError(.invalidConfiguration, "table: VRF \(link.name) exists already, and has table \(table), not \(wanted)")
        }
        if !link.isUp { try attempt(try socket.setLink(index: link.index, name: link.name, LinkChange(up: true))) }
        return link
    }

    // MARK: Interface

    /// The interface's routes that the kernel does not make again by itself in the VRF's table. Those without a gateway come first: the
    /// gateways of others are reached by them.
    private func ownRoutes() throws(CNIError) -> [StoredRoute] {
        var routes: [StoredRoute] = []
        for family in [IPAddress.Family.v4, .v6] {
            routes += try attempt(try socket.storedRoutes(family, link: link.index, table: VRFAdd.main)).filter { !$0.isConnected }
        }
        return routes.filter { $0.first.gateway == nil } + routes.filter { $0.first.gateway != nil }
    }

    /// Makes the interface a port of the VRF. The kernel takes it down and up for that, by which it loses IPv6 addresses unless it is told
    /// to keep them; those that are lost all the same are added again, as they were.
    private func enslave(to vrf: LinkInfo) throws(CNIError) {
        let before = try addresses()
        if !before.isEmpty {
            try call.inContainer { () throws(CNIError) in
                try Sysctl.ensure("1", at: ["net", "ipv6", "conf", link.name, "keep_addr_on_down"])
            }
        }
        let watch = try call.inContainer { () throws(CNIError) in try attempt(try RouteWatch()) }
        try attempt(try socket.setLink(index: link.index, name: link.name, LinkChange(master: vrf.index)))
        let after = try addresses().map { $0.address }
        for lost in before where !after.contains(lost.address) {
            try attempt(try socket.addAddress(lost.address, index: link.index, name: link.name, noDAD: lost.isWithoutDAD))
        }
        guard link.isUp else { return }
        try attempt(
            try watch.wait(
                for: before.map { $0.address.address }, link: link.index, table: vrf.vrfTable ?? 0, reader: socket,
                timeoutMilliseconds: VRFAdd.limit))
    }

    /// The interface's IPv6 addresses but the link-local one, which it gets again by itself.
    private func addresses() throws(CNIError) -> [AddressInfo] {
        try attempt(try socket.addresses(index: link.index)).filter { $0.address.address.family == .v6 && !$0.address.address.isLinkLocal }
    }

    private func undo(_ vrf: LinkInfo, _ isNew: Bool, _ routes: [StoredRoute]) {
        func quietly(_ body: () throws(NetlinkError) -> Void) {
            do throws(NetlinkError) { try body() } catch { call.log(.warning, "vrf: undo: \(error.cni.text)") }
        }
        quietly { () throws(NetlinkError) in try socket.setLink(index: link.index, name: link.name, LinkChange(master: 0)) }
        if isNew { quietly { () throws(NetlinkError) in try socket.deleteLink(index: vrf.index) } }
        for route in routes { quietly { () throws(NetlinkError) in try socket.put(route, table: VRFAdd.main) } }
    }
}
