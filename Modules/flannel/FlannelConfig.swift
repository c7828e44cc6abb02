import ModuleKit

/// The configuration of flannel, read and checked.
struct FlannelConfig {
    /// What flanneld writes.
    let subnetFile: String
    /// Where the delegates' configurations are kept.
    let dataDirectory: String
    /// The delegate's type.
    let delegateType: String
    /// Keys for the delegate.
    private let delegate: JSONObject
    /// Keys for the delegate's IPAM plugin.
    private let ipam: ConfigReader
    private let runtimeConfig: JSON?
    private let network: String

    init(_ config: ConfigReader) throws(CNIError) {
        subnetFile = try config.nonEmpty("subnetFile") ?? "/run/flannel/subnet.env"
        dataDirectory = try config.nonEmpty("dataDir") ?? "/var/lib/cni/flannel"
        network = try config.string("name") ?? ""
        let reader = try config.object("delegate") ?? ConfigReader(JSONObject(), at: "delegate")
        for key in ["name", "ipam"] where reader.has(key) {
            throw reader.invalid(key, "must not be there: flannel sets it" + (key == "ipam" ? ", from ipam beside delegate" : ""))
        }
        delegateType = try reader.nonEmpty("type") ?? "bridge"
        guard delegateType != "flannel" else { throw reader.invalid("type", "flannel can't be its own delegate") }
        delegate = reader.object
        ipam = try config.object("ipam") ?? ConfigReader(JSONObject(), at: "ipam")
        runtimeConfig = try config.object("runtimeConfig").map { .object($0.object) }
    }

    /// The delegate's configuration with what flanneld says.
    func configuration(_ subnet: SubnetFile, cniVersion: String) throws(CNIError) -> JSONObject {
        var result = delegate
        result["name"] = .string(network)
        result["cniVersion"] = .string(cniVersion)
        result["type"] = .string(delegateType)
        func complete(_ key: String, _ value: JSON) { if result.lenient(key) == nil { result[key] = value } }
        // Who masquerades is either flanneld or the delegate.
        complete("ipMasq", .bool(!subnet.masquerades))
        complete("mtu", .integer(Int64(subnet.mtu)))
        if delegateType == "bridge" { complete("isGateway", .bool(true)) }
        result["ipam"] = .object(try ipamConfiguration(subnet))
        if let runtimeConfig { result["runtimeConfig"] = runtimeConfig }
        return result
    }

    private func ipamConfiguration(_ subnet: SubnetFile) throws(CNIError) -> JSONObject {
        var result = ipam.object
        if result.lenient("type") == nil { result["type"] = .string("host-local") }
        result["ranges"] = .array(
            subnet.subnets.map { .array([.object(JSONObject([("subnet", .string($0.network.text))]))]) })
        _ = try ResultFormat.decodeRoutes(ipam)
        let routes = subnet.networks.map { JSON.object(JSONObject([("dst", .string($0.network.text))])) }
        result["routes"] = .array(try (ipam.array("routes") ?? []) + routes)
        return result
    }
}
