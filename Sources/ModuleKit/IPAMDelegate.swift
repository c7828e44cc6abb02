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

    /// Runs its DEL after something else failed: a failure here is logged, the first one is what counts.
    public func undo(_ call: ModuleCall) {
        do throws(CNIError) { try del(call) } catch { call.log(.warning, "DEL of IPAM plugin \(type) failed: \(error.text)") }
    }
}
