import CLinux
import Linux

/// A path that only trusted users can make lead somewhere else: root, and the user that runs the program.
///
/// Every directory and every symbolic link on the way is looked at, from the root down, and none of them may be replaced by someone else:
/// so what the path leads to is the same when it is opened later.
struct TrustedPath {
    /// Why a path is not trusted: what is wrong with which part of it.
    struct Refusal: Error {
        let place: String
        let reason: String
        /// There is nothing.
        var isAbsence = false
    }

    private var place = "/"
    /// Until a directory was seen whose owner has a number in this user namespace: see `isTrusted`.
    private var isOutside = true
    /// The status of the directory that was gone to.
    private var directory = stat()
    private static let linkLimit = 40

    /// Goes along `path`, which has to lead to a directory.
    ///
    /// - Parameter mayBeMissing: whether it may lead to nothing, where no one else could make it.
    static func directory(_ path: String, mayBeMissing: Bool = false) throws(Refusal) -> TrustedPath {
        var walk = TrustedPath()
        walk.directory = try walk.follow(path, mayBeMissing: mayBeMissing)
        guard clinux_is_directory(walk.directory.st_mode) != 0 else { throw Refusal(place: walk.place, reason: "is not a directory") }
        return walk
    }

    /// Goes from this directory, as it was found, to a file in it, and returns that without symbolic links; nil where there is none.
    func file(_ name: String) throws(Refusal) -> String? {
        var walk = self
        let status: stat
        do throws(Refusal) {
            status = try walk.follow(from: directory, [name])
        } catch {
            // Itself is not there, and not what it leads to.
            if error.isAbsence && error.place == PathList.join(place, name) { return nil }
            throw error
        }
        guard clinux_is_regular(status.st_mode) != 0 else { throw Refusal(place: walk.place, reason: "is not a regular file") }
        return walk.place
    }

    /// Checks every part of the path; the last one's status.
    private mutating func follow(_ path: String, mayBeMissing: Bool) throws(Refusal) -> stat {
        let parts = TrustedPath.parts(path.hasPrefix("/") ? path : "\(TrustedPath.workingDirectory)/\(path)")
        return try follow(from: try examine("/"), parts, mayBeMissing: mayBeMissing)
    }

    /// The same for parts, the first one last, from a directory of this status on.
    private mutating func follow(from start: stat, _ parts: [String], mayBeMissing: Bool = false) throws(Refusal) -> stat {
        var left = parts
        var links = 0
        var status = start
        while let part = left.popLast() {
            guard clinux_is_directory(status.st_mode) != 0 else { throw Refusal(place: place, reason: "is not a directory") }
            if part == "." { continue }
            if part == ".." {
                place = PathList.parent(of: place)
                status = try examine(place)
                continue
            }
            let parent = status
            let next = PathList.join(place, part)
            do throws(Refusal) {
                status = try examine(next)
            } catch {
                guard mayBeMissing && error.isAbsence else { throw error }
                // Nobody else can make it; in a directory like /tmp they can.
                if parent.st_mode & 0o022 != 0 { throw Refusal(place: next, reason: "does not exist, and others can make it") }
                return parent
            }
            guard clinux_is_link(status.st_mode) != 0 else {
                place = next
                continue
            }
            links += 1
            guard links <= TrustedPath.linkLimit, let target = File.target(ofLink: next) else {
                throw Refusal(place: next, reason: "is one of too many symbolic links")
            }
            left += TrustedPath.parts(target)
            status = parent
            if target.hasPrefix("/") {
                (place, isOutside) = ("/", true)
                status = try examine("/")
            }
        }
        return status
    }

    /// The parts of a path, the first one last.
    private static func parts(_ path: String) -> [String] { path.utf8.split(separator: 0x2f).map { String(Substring($0)) }.reversed() }

    private static var workingDirectory: String {
        guard let directory = getcwd(nil, 0) else { return "" }
        defer { free(directory) }
        return String(cString: directory)
    }

    /// The status of one part, a symbolic link's own. Throws where someone else owns it or may write to it.
    private mutating func examine(_ path: String) throws(Refusal) -> stat {
        var status = stat()
        if lstat(path, &status) != 0 {
            let error = Errno.current
            throw Refusal(place: path, reason: "can't be examined: \(error.text)", isAbsence: error == .noEntry)
        }
        let isDirectory = clinux_is_directory(status.st_mode) != 0
        guard isTrusted(status.st_uid, isDirectory: isDirectory) else {
            throw Refusal(place: path, reason: "belongs to user \(status.st_uid)")
        }
        // A link's own mode means nothing. In a directory with the sticky bit, such as /tmp, others can't replace what is not theirs.
        let isSticky = isDirectory && status.st_mode & 0o1000 != 0
        if status.st_mode & 0o022 != 0 && !isSticky && clinux_is_link(status.st_mode) == 0 {
            throw Refusal(place: path, reason: "is writable by others")
        }
        return status
    }

    /// Root, or the user that runs the program; of a program with privileges that its caller lacks only root.
    ///
    /// Within a user namespace the machine's own directories (`/`, `/home`) belong to a user without a number here, and who that is can't
    /// be told. They count, down to the first one that has an owner here; below it, and for links and files, such an owner is someone else.
    private mutating func isTrusted(_ owner: uid_t, isDirectory: Bool) -> Bool {
        if owner == 0 || (owner == geteuid() && !Environment.hasElevatedPrivileges) {
            isOutside = false
            return true
        }
        return isOutside && isDirectory && owner == UserNamespace.overflowUser && UserNamespace.isNested
    }
}
