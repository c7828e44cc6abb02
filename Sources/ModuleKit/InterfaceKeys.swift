import CNI

/// Keys that interface modules have in common.
extension ConfigReader {
    /// `mtu`; nil where it is missing or 0: the kernel's, or the master's.
    public func mtu() throws(CNIError) -> Int? {
        let number = try unsigned("mtu") ?? 0
        return number == 0 ? nil : number
    }

    /// The hardware address that was asked for. Later wins: `mac`, CNI_ARGS MAC, `runtimeConfig.mac`. Other arguments are errors.
    public func mac(_ arguments: CNIArguments) throws(CNIError) -> MACAddress? {
        try arguments.require(only: ["MAC"])
        return try MACAddress.requested(lastOf: [try string("mac"), arguments["MAC"], try object("runtimeConfig")?.string("mac")])
    }
}
