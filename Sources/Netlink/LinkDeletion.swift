import CLinux
import CNI
import Linux

extension NetlinkSocket {
    /// How many links one message deletes: nobody else can change a link meanwhile.
    private static let groupLimit = 128

    /// Deletes links of this socket's namespace. One that is gone is no error. Where some can't be deleted, the others are, and the first
    /// error is thrown.
    ///
    /// The kernel waits 10 to 20 ms for a grace period when a link is deleted, but only once for all links of a group (`ip link set NAME group
    /// N`). So several are put into a group of their own and deleted by it, all in one message.
    ///
    /// - Parameter links: their indexes, and their names, for errors.
    public func deleteLinks(_ links: [(index: Int32, name: String)]) throws(NetlinkError) {
        var failure: NetlinkError?
        var rest = links[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(NetlinkSocket.groupLimit))
            rest = rest.dropFirst(some.count)
            do throws(NetlinkError) {
                let isGroup = some.count > 1
                if isGroup, try deleteAsGroup(some) { continue }
                try deleteSingly(some, leaving: isGroup)
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    /// False where the kernel refused: nothing is deleted then, or not everything.
    ///
    /// The group's number is random, of 31 bits above those that people use. Someone else's link could be in it only if that had been given
    /// the very number; and links are in it no longer than this one system call takes, also where the process is killed.
    private func deleteAsGroup(_ links: [(index: Int32, name: String)]) throws(NetlinkError) -> Bool {
        var group: UInt32 = 0
        if getrandom(&group, 4, 0) != 4 { return false }
        group |= 0x8000_0000
        var deletion = NetlinkMessage(link: RTM_DELLINK)
        deletion.attribute(Int32(IFLA_GROUP), group)
        let failures = try failures(ofAll: links.map { NetlinkSocket.setGroup(group, of: $0.index) } + [deletion]) { index in
            index < links.count ? "set group on \(links[index].name)" : "delete links \(links.map { $0.name }.joined(separator: ", "))"
        }
        return failures.allSatisfy { $0.error.errno == .noDevice }
    }

    private static func setGroup(_ group: UInt32, of index: Int32) -> NetlinkMessage {
        var message = NetlinkMessage(link: RTM_SETLINK, index: index)
        message.attribute(Int32(IFLA_GROUP), group)
        return message
    }

    /// - Parameter isGrouped: whether one that can't be deleted has to leave its group again, for the default one.
    private func deleteSingly(_ links: [(index: Int32, name: String)], leaving isGrouped: Bool) throws(NetlinkError) {
        var failure: NetlinkError?
        for link in links {
            do throws(NetlinkError) {
                try delete(NetlinkMessage(link: RTM_DELLINK, index: link.index), "delete link \(link.name)")
            } catch {
                failure = failure ?? error
                if isGrouped { _ = try? request(NetlinkSocket.setGroup(0, of: link.index), "set group on \(link.name)") }
            }
        }
        if let failure { throw failure }
    }
}
