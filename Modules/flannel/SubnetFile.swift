import ModuleKit

/// What flanneld says of this node in its file: lines of `NAME=value`.
struct SubnetFile: Equatable {
    /// The whole network, of all nodes.
    private(set) var networks: [IPNetwork] = []
    /// This node's part of it, one a family.
    private(set) var subnets: [IPNetwork] = []
    /// MTU of what flanneld sends packets over.
    private(set) var mtu = 0
    /// Whether flanneld masquerades what leaves the network.
    private(set) var masquerades = false

    /// Reads the file. Where it is missing, or not complete, another try may do.
    init(_ path: String) throws(CNIError) {
        let text: String
        do throws(Errno) {
            text = try File.readText(path, limit: 1 << 20)
        } catch {
            guard error == .noEntry || error == .notDirectory else { throw CNIError(.ioFailure, "read \(path): \(error.text)") }
            throw CNIError(
                .tryAgainLater, "read \(path): \(error.text)",
                details: "flanneld writes it when it has a subnet for this node: is it running here? its log tells what it waits for")
        }
        try self.init(text: text, path: path)
    }

    init(text: String, path: String) throws(CNIError) {
        var values: [String: String] = [:]
        for line in text.utf8.split(separator: 0x0a) {
            guard let sign = line.firstIndex(of: UInt8(ascii: "=")) else { continue }
            values[SubnetFile.trimmed(line[..<sign])] = SubnetFile.trimmed(line[line.index(after: sign)...])
        }
        try SubnetFile.requireAll(values, path)
        for (family, infix) in [(IPAddress.Family.v4, ""), (.v6, "IPV6_")] {
            networks += try SubnetFile.addresses(values, "FLANNEL_\(infix)NETWORK", family, path)
            subnets += try SubnetFile.addresses(values, "FLANNEL_\(infix)SUBNET", family, path)
        }
        guard let mtu = UInt32(values["FLANNEL_MTU"] ?? "") else {
            throw SubnetFile.wrong("FLANNEL_MTU", values["FLANNEL_MTU"], "a number", path)
        }
        self.mtu = Int(mtu)
        masquerades = values["FLANNEL_IPMASQ"] == "true"
    }

    private static func trimmed(_ bytes: Substring.UTF8View) -> String {
        String(decoding: bytes.filter { $0 != 0x20 && $0 != 0x09 && $0 != 0x0d && $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    }

    /// The networks of one family and the subnet of one are needed, and MTU and masquerading.
    private static func requireAll(_ values: [String: String], _ path: String) throws(CNIError) {
        let needed = [
            ["FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"], ["FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"], ["FLANNEL_MTU"], ["FLANNEL_IPMASQ"],
        ]
        let missing = needed.filter { names in names.allSatisfy { (values[$0] ?? "").isEmpty } }.map { $0.joined(separator: " or ") }
        if missing.isEmpty { return }
        throw CNIError(
            .tryAgainLater, "read \(path): \(missing.joined(separator: ", ")) \(missing.count == 1 ? "is" : "are") missing",
            details: "flanneld writes it: does its log tell of an error?")
    }

    /// Addresses with prefix length, with commas between; each once.
    private static func addresses(
        _ values: [String: String], _ name: String, _ family: IPAddress.Family, _ path: String
    ) throws(CNIError) -> [IPNetwork] {
        var found: [IPNetwork] = []
        for part in (values[name] ?? "").utf8.split(separator: UInt8(ascii: ",")) {
            guard let network = IPNetwork(String(Substring(part))), network.address.family == family else {
                let example = family == .v4 ? "IPv4 networks like 10.244.0.0/16" : "IPv6 networks like fd00:244::/48"
                throw wrong(name, values[name], example, path)
            }
            if !found.contains(where: { $0.network == network.network }) { found.append(network) }
        }
        return found
    }

    private static func wrong(_ name: String, _ found: String?, _ expected: String, _ path: String) -> CNIError {
        CNIError(.decodingFailure, "read \(path): \(name): expected \(expected), found \"\(found ?? "")\"")
    }
}
