import CLinux
import Linux

/// Who may ask the daemon: root of its user namespace, and members of the socket's group.
enum PeerCheck {
    /// Why a peer may not; nil where it may.
    static func refusal(_ connection: Int32, socket path: String) -> String? {
        var user: uid_t = 0
        var group: gid_t = 0
        if clinux_peer(connection, &user, &group) != 0 { return "the peer's credentials: \(Errno.current.text)" }
        if user == 0 { return nil }
        if let allowed = allowedGroup(path), group == allowed || supplementaryGroups(connection).contains(allowed) { return nil }
        return "user \(user), group \(group) is neither root nor in the socket's group"
    }

    /// The socket's group, where its mode lets the group connect. A group that this user namespace has no number for is no one's.
    private static func allowedGroup(_ path: String) -> gid_t? {
        var status = stat()
        guard !path.isEmpty, stat(path, &status) == 0, status.st_mode & 0o020 != 0 else { return nil }
        let unmapped = (try? File.readText("/proc/sys/kernel/overflowgid", limit: 64))?.filter { $0.isNumber }
        return "\(status.st_gid)" == unmapped ? nil : status.st_gid
    }

    private static func supplementaryGroups(_ connection: Int32) -> [gid_t] {
        var groups = [gid_t](repeating: 0, count: 65536)
        let count = clinux_peer_groups(connection, &groups, 65536)
        return Array(groups.prefix(max(0, Int(count))))
    }
}
