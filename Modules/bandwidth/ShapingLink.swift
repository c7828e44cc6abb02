import Digest
import ModuleKit

/// The ifb of an attachment: what comes from the container goes through it, where it can be limited.
enum ShapingLink {
    /// "bwp" and 12 hexadecimal digits of a hash, which counts the interface's name too.
    static func name(_ call: ModuleCall) -> String {
        "bwp" + SHA512.text(of: "\(call.network)/\(call.containerID)/\(call.interfaceName)").prefix(12)
    }

    /// The name that the reference plugin gives it: one for all interfaces of a container in a network.
    static func referenceName(_ call: ModuleCall) -> String { "bwp" + SHA512.text(of: call.network + call.containerID).prefix(12) }

    /// The name that it has: the reference's where the result of ADD has that.
    static func present(_ call: ModuleCall, _ result: CNIResult) -> String {
        let other = referenceName(call)
        return result.interfaces.contains { $0.name == other } ? other : name(call)
    }

    /// What its alias says: whose it is.
    static func identity(_ call: ModuleCall) -> String { NftIdentity.comment(network: call.network, call.attachment) }

    /// Queues the deletion of one, if it is there.
    static func queueDeletion(_ call: ModuleCall, _ name: String) throws(CNIError) {
        let socket = try call.hostNetlink()
        guard let link = try attempt(try socket.link(named: name)), link.kind == "ifb" else { return }
        try call.queueLinkDeletion(of: link)
    }

    /// Deletes those of the network's attachments that are not in use. The alias tells whose one is.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        let prefix = NftIdentity.prefix(call.network)
        let valid = Set(call.validAttachments.map { NftIdentity.comment(network: call.network, $0) })
        let socket = try call.hostNetlink()
        for link in try attempt(try socket.links()) where link.kind == "ifb" && link.name.utf8.starts(with: "bwp".utf8) {
            guard let alias = link.alias, alias.utf8.starts(with: prefix.utf8), !valid.contains(alias) else { continue }
            try call.queueLinkDeletion(of: link)
        }
    }
}
