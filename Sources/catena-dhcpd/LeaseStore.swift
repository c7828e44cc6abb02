import CLinux
import CNI
import DHCPSocket
import JSON
import Linux
import State

/// The leases on disk, one file each: a change costs the same however many there are.
///
/// A file is written under another name, synced where it is a new lease, and renamed.
final class LeaseStore {
    private let location: LeaseDirectory
    private let boot: String
    private let lock: FileDescriptor

    /// Makes the directories where they are missing, and takes the lock. Throws where another daemon has it.
    init(_ path: String) throws(CNIError) {
        location = LeaseDirectory(path)
        do throws(Errno) {
            for directory in [location.leases, location.releases] { try File.makeDirectories(directory, mode: 0o700) }
            lock = try FileDescriptor.open("\(path)/lock", O_RDWR | O_CREAT, mode: 0o600)
            boot = try Boot.current().id ?? ""
        } catch {
            throw CNIError(.ioFailure, "open the leases in \(path): \(error.text)", details: "see -statedir")
        }
        if flock(lock.rawValue, LOCK_EX | LOCK_NB) != 0 {
            throw CNIError("lock \(path)/lock: \(Errno.current.text)", details: "another catena-dhcpd is running with these leases")
        }
    }

    /// Where notes about leases to give back are left.
    var releases: String { location.releases }

    /// Reads all leases of this boot, one after the other. Those of an earlier one are removed: their interfaces went with it. What can't be
    /// read is told and stays.
    func forEach(_ body: (LeaseFile) -> Void) {
        var old = 0
        for name in (try? File.list(location.leases)) ?? [] {
            let path = "\(location.leases)/\(name)"
            guard let (key, family) = LeaseDirectory.lease(name) else {
                // The rest of a write that was cut short.
                unlink(path)
                continue
            }
            do throws(CNIError) {
                let (file, boot) = try read(path)
                if file.request.key != key || file.family != family {
                    throw CNIError(.decodingFailure, "it is the lease of \(SessionKey(file.request.key, file.family).text)")
                }
                if boot != self.boot {
                    old += 1
                    unlink(path)
                } else {
                    body(file)
                }
            } catch {
                Log.write(.warning, "lease file \(path): \(error.text)")
            }
        }
        if old > 0 { Log.write(.info, "forgot \(old) leases of an earlier boot") }
    }

    private func read(_ path: String) throws(CNIError) -> (LeaseFile, boot: String) {
        let bytes: [UInt8]
        do throws(Errno) { bytes = try File.read(path, limit: 1 << 20) } catch { throw CNIError(.ioFailure, "read: \(error.text)") }
        guard let object = try? JSON(parsing: bytes).object else { throw CNIError(.decodingFailure, "it is no JSON object") }
        let reader = ConfigReader(object)
        return (try LeaseFile(reader), try reader.string("boot") ?? "")
    }

    /// Writes a lease. One that is only extended is not synced: what that guards against, the machine's sudden end, ends the lease too,
    /// and waiting for the disk would hold up all others.
    func write(_ file: LeaseFile, isNew: Bool) throws(CNIError) {
        let path = "\(location.leases)/\(LeaseDirectory.name(file.request.key, file.family))"
        let temporary = "\(path):tmp"  // no lease has such a name
        do throws(Errno) {
            let opened = try FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try opened.writeAll(JSON.object(file.json(boot: boot)).text())
            if (isNew && fsync(opened.rawValue) != 0) || rename(temporary, path) != 0 { throw Errno.current }
        } catch {
            unlink(temporary)
            throw CNIError(.ioFailure, "write lease file \(path): \(error.text)")
        }
    }

    /// Removes a lease; one that is not there is no error.
    func remove(_ key: SessionKey) {
        let path = "\(location.leases)/\(key.fileName)"
        do throws(Errno) { try File.remove(path) } catch { Log.write(.warning, "remove lease file \(path): \(error.text)") }
    }

    /// Takes off the notes that modules have left: leases to give back.
    func takeNotes() -> [LeaseKey] {
        let keys = ((try? File.list(location.releases)) ?? []).compactMap { LeaseDirectory.lease($0)?.key }
        for key in keys { unlink("\(location.releases)/\(key.fileName)") }
        return keys
    }
}
