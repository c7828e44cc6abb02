import CNI

/// The IPAM plugin that an interface module delegates to: `ipam.type`.
public struct IPAMDelegate {
    /// The plugin's name.
    public let type: String

    /// Nil where the configuration names none: an interface without addresses.
    public init?(_ config: ConfigReader) throws(CNIError) {
        guard let type = try config.object("ipam")?.nonEmpty("type") else { return nil }
        self.type = type
    }

    /// The one that a module can't do without: none is an error.
    ///
    /// - Parameter module: whose configuration it is, for the error.
    public static func required(_ config: ConfigReader, by module: String) throws(CNIError) -> IPAMDelegate {
        guard let ipam = try IPAMDelegate(config) else {
            throw CNIError(.invalidConfiguration, "ipam: is missing: \(module) requires an IPAM configuration")
        }
        return ipam
    }

    /// GC of a module that has nothing else to collect: has the IPAM plugin, where there is one, release the addresses of attachments that are
    /// not in use.
    public static func gc(_ call: ModuleCall) throws(CNIError) {
        if let ipam = try IPAMDelegate(call.config) { try call.delegate(ipam.type, .gc) }
    }

    /// Runs its ADD. A result without an address is an error, after its DEL.
    public func add(_ call: ModuleCall) throws(CNIError) -> CNIResult {
        let result = try call.delegateAdd(type)
        if result.ips.isEmpty {
            try del(call)
            throw CNIError("IPAM plugin \(type) returned no IP address")
        }
        return result
    }

    /// Runs its DEL.
    public func del(_ call: ModuleCall) throws(CNIError) { try call.delegate(type, .del) }

    /// Commits what is queued of nftables, also by later plugins, which are undone before: no rule shall name an address that is free again.
    /// Then removes an interface by `body`, and releases its addresses: after it, so that nobody gets them before; but before it where that takes
    /// the interface: dhcp gives its lease back over it.
    public static func release(_ ipam: IPAMDelegate?, _ call: ModuleCall, removing body: () throws(CNIError) -> Void) throws(CNIError) {
        try call.commitNft()
        if let ipam, ipam.type == "dhcp" {
            try ipam.del(call)
            return try body()
        }
        try body()
        try ipam?.del(call)
    }

    /// Runs its DEL after something else failed: a failure here is logged, the first one is what counts.
    public func undo(_ call: ModuleCall) {
        do throws(CNIError) { try del(call) } catch { call.log(.warning, "DEL of IPAM plugin \(type) failed: \(error.text)") }
    }
}
