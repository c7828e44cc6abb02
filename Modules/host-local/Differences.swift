import ModuleKit

/// What CHECK finds wrong.
enum Differences {
    /// Compares the addresses that an attachment holds with those that a result gives its interface. Only addresses of our ranges
    /// count on either side: others in the result come from another plugin.
    ///
    /// - Returns: one line a difference; empty where all is well.
    static func find(held: [IPAddress], result: CNIResult?, interface: String, sets: [RangeSet], directory: String) -> [String] {
        func isOurs(_ address: IPAddress) -> Bool { sets.contains { $0.range(of: address) != nil } }
        guard let result else { return held.isEmpty ? ["no address is reserved for it in \(directory)"] : [] }
        let given = result.containerAddresses(on: interface).map { $0.address }.filter(isOurs)
        var lines: [String] = []
        if held.isEmpty && given.isEmpty { lines.append("no address is reserved for it in \(directory)") }
        for address in given where !held.contains(address) {
            lines.append("\(address.text) of prevResult is not reserved for it in \(directory)")
        }
        for address in held where isOurs(address) && !given.contains(address) {
            lines.append("\(address.text) is reserved for it in \(directory), but prevResult does not have it")
        }
        return lines
    }
}
