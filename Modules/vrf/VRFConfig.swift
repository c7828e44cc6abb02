import ModuleKit

/// The configuration of vrf, read and checked.
struct VRFConfig {
    /// The VRF's name in the container.
    let name: String
    /// Its routing table; nil for any.
    let table: Int?

    init(_ config: ConfigReader) throws(CNIError) {
        guard let name = try config.nonEmpty("vrfname") else { throw config.invalid("vrfname", "is missing: the VRF's name") }
        do throws(CNIError) { try Names.checkInterface(name) } catch { throw config.invalid("vrfname", error.message) }
        self.name = name
        let number = try config.unsigned("table") ?? 0
        table = number == 0 ? nil : number
    }
}
