import CLinux
import CNI
import Linux

/// Where the daemon keeps its leases, a file each, and where notes for it are left while it does not run.
public struct LeaseDirectory: Sendable {
    /// The directory unless something else is configured.
    public static let standard = "/var/lib/cni/catena/dhcp"

    /// The directory.
    public let path: String

    /// The one at this path.
    public init(_ path: String = LeaseDirectory.standard) { self.path = path }

    /// One file a lease: a container's interface may have one of each family.
    public var leases: String { "\(path)/leases" }

    /// One empty file for each lease that is to be given back.
    public var releases: String { "\(path)/releases" }

    /// The leases of a network that have a file.
    public func keys(network: String) -> [LeaseKey] {
        var keys: [LeaseKey] = []
        for name in (try? File.list(leases)) ?? [] {
            if let key = LeaseDirectory.lease(name)?.key, key.network == network, !keys.contains(key) { keys.append(key) }
        }
        return keys
    }

    /// The name of a lease's file: the key's, and ":6" behind it for one of IPv6.
    public static func name(_ key: LeaseKey, _ family: IPAddress.Family) -> String { key.fileName + (family == .v6 ? ":6" : "") }

    /// What a file's name stands for; nil where it is no lease's.
    public static func lease(_ name: String) -> (key: LeaseKey, family: IPAddress.Family)? {
        let parts = name.utf8.split(separator: UInt8(ascii: ":")).map { String(Substring($0)) }
        guard parts.count == 3 || (parts.count == 4 && parts[3] == "6"),
            let key = try? LeaseKey(network: parts[0], containerID: parts[1], interfaceName: parts[2])
        else { return nil }
        return (key, parts.count == 3 ? .v4 : .v6)
    }

    /// Leaves a note for the daemon to give a lease back, where it has one: it takes notes up when it starts, and while it runs. False
    /// where there is no lease.
    public func noteRelease(_ key: LeaseKey) throws(CNIError) -> Bool {
        let families: [IPAddress.Family] = [.v4, .v6]
        guard families.contains(where: { File.exists("\(leases)/\(LeaseDirectory.name(key, $0))") }) else { return false }
        do throws(Errno) {
            try File.makeDirectories(releases, mode: 0o700)
            _ = try FileDescriptor.open("\(releases)/\(key.fileName)", O_WRONLY | O_CREAT, mode: 0o600)
        } catch {
            throw CNIError(.ioFailure, "leave a note for the DHCP daemon in \(releases): \(error.text)")
        }
        return true
    }
}
