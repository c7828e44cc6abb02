import ModuleKit

/// Where a network's reservations are.
struct StoreLocation: Equatable {
    /// The directory of all networks: the key `dataDir`.
    let dataDirectory: String
    /// The network's name.
    let network: String

    /// Where the reference keeps them when nothing else is configured.
    static let defaultDataDirectory = "/var/lib/cni/networks"

    init(dataDirectory: String = defaultDataDirectory, network: String) throws(CNIError) {
        // The host has checked the name; yet it becomes part of a path that root writes to.
        try Names.checkNetwork(network)
        var path = dataDirectory
        while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
        self.dataDirectory = path.isEmpty ? StoreLocation.defaultDataDirectory : path
        self.network = network
    }

    /// Reads `ipam.dataDir`, and nothing else: enough to release addresses, whatever became of the rest of the configuration.
    init(_ config: ConfigReader, network: String) throws(CNIError) {
        let ipam = config.value("ipam")?.object.map { ConfigReader($0, at: "ipam") }
        try self.init(dataDirectory: try ipam?.string("dataDir") ?? "", network: network)
    }

    /// The directory of the reservations, the reference's.
    var directory: String { "\(dataDirectory)/\(network)" }

    /// The directory of the index. It is beside the reference's, never in it; no network's name begins with a dot.
    var indexDirectory: String { "\(dataDirectory)/.catena/\(network)" }
}

extension StoreLocation {
    /// The error for a failed operation on the reservations' directory.
    func failure(_ what: String, _ error: Errno) -> CNIError {
        CNIError(.ioFailure, "\(what) \(directory): \(error.text)", details: "host-local keeps its reservations there; see ipam.dataDir")
    }

    /// Throws unless the directory, or the nearest one above it that exists, can be written to.
    func checkWritable() throws(CNIError) {
        var path = directory
        while !File.exists(path), let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex {
            path = String(path[path.startIndex..<slash])
        }
        do throws(Errno) {
            try Directory.checkWritable(path)
        } catch {
            throw CNIError(.ioFailure, "make directory \(directory): \(path): \(error.text)", details: "see ipam.dataDir")
        }
    }
}
