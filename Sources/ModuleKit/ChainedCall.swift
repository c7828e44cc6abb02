import CNI
import Netlink

extension ModuleCall {
    /// The result of the plugins before this one: for one that works on what they made, and can't be the first of a chain.
    public func requireChained(_ type: String) throws(CNIError) -> CNIResult {
        guard let previousResult else {
            throw CNIError(
                .invalidConfiguration,
                "prevResult: is missing: \(type) must be called as chained plugin, after one that makes an interface")
        }
        return previousResult
    }

    /// The interface that the plugins before this one made.
    public func requireInterface() throws(CNIError) -> LinkInfo {
        guard let link = try containerInterface() else {
            throw CNIError(
                "look up interface \(interfaceName) in \(netns): there is none", details: "a plugin before this one has to make it")
        }
        return link
    }
}
