import CLinux
import CNI
import Linux

extension NetlinkSocket {
    /// The number by which this socket's namespace knows another one, which is open as `descriptor`; given where there is none yet. As
    /// `ip netns set NAME auto`. It goes away with the other namespace, and does not keep it.
    public func namespaceID(of descriptor: Int32) throws(NetlinkError) -> Int32 {
        var message = namespaceMessage(RTM_NEWNSID)
        message.attribute(Int32(NETNSA_NSID), Int32(-1))
        message.attribute(Int32(NETNSA_FD), descriptor)
        do throws(NetlinkError) {
            try request(message, "number a network namespace")
        } catch {
            if error.errno != .exists { throw error }
        }
        var question = namespaceMessage(RTM_GETNSID)
        question.attribute(Int32(NETNSA_FD), descriptor)
        let attributes = try request(question, "look up the number of a network namespace").first?.attributes(after: 1)
        guard let number = attributes?.number(Int32(NETNSA_NSID), as: UInt32.self).map({ Int32(bitPattern: $0) }), number >= 0 else {
            throw NetlinkError(operation: "look up the number of a network namespace", errno: .noEntry)
        }
        return number
    }

    /// A request with its `rtgenmsg`: the family, padded.
    private func namespaceMessage(_ type: Int) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type))
        message.append(UInt32(0))
        return message
    }
}
