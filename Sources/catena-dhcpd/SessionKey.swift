import CNI
import DHCPSocket

/// What a lease is known by in the daemon: a container's interface in a network may have one of each family.
struct SessionKey: Hashable {
    let key: LeaseKey
    let family: IPAddress.Family

    init(_ key: LeaseKey, _ family: IPAddress.Family) {
        self.key = key
        self.family = family
    }

    /// The name of the lease's file.
    var fileName: String { LeaseDirectory.name(key, family) }

    /// "mynet/77383ca0a071/eth0", and " (IPv6)" behind it, for messages.
    var text: String { key.text + (family == .v6 ? " (IPv6)" : "") }
}
