import ModuleKit

/// The host's end of the container's veth pair: what is limited there is limited for the container.
struct HostEnd {
    let link: LinkInfo

    /// The link of the host that is the container interface's other end, and that prevResult has.
    init(_ call: ModuleCall, _ result: CNIResult) throws(CNIError) {
        let inside = try call.requireInterface()
        guard inside.kind == "veth", let index = inside.link else {
            throw CNIError(
                "limit \(inside.name): it is not a veth but \(inside.kind.map { "a \($0)" } ?? "a device")",
                details: "only what a plugin connects by a veth pair, such as bridge and ptp, can be limited")
        }
        let host = try call.hostNetlink()
        guard let link = try attempt(try host.link(index: index)), link.kind == "veth", link.link == inside.index else {
            throw CNIError("limit \(inside.name): the other end of its veth pair, number \(index), is not in the host's network namespace")
        }
        guard result.interfaces.contains(where: { $0.name == link.name && ($0.sandbox ?? "").isEmpty }) else {
            throw CNIError(
                .invalidConfiguration, "prevResult: it does not have \(link.name), the host's end of \(inside.name)",
                details: "the plugin that made the veth pair has to report both ends")
        }
        self.link = link
    }
}
