import ModuleKit

/// One port of the host that leads to a port of the container: an entry of `runtimeConfig.portMappings`.
struct PortMapping: Equatable {
    /// A transport protocol with ports.
    enum Transport: UInt8 {
        case tcp = 6
        case udp = 17
        case sctp = 132

        /// The protocol of a name in any case; an empty one is tcp, as runtimes mean it. Nil for another word.
        init?(name: String) {
            switch name.lowercased() {
            case "tcp", "": self = .tcp
            case "udp": self = .udp
            case "sctp": self = .sctp
            default: return nil
            }
        }

        /// The name, as nft writes it.
        var name: String {
            switch self {
            case .tcp: "tcp"
            case .udp: "udp"
            case .sctp: "sctp"
            }
        }
    }

    let transport: Transport
    let hostPort: UInt16
    let containerPort: UInt16
    /// The host's address; nil for all of both families, an unspecified one for all of its family.
    let hostIP: IPAddress?

    /// Reads and checks the list; nil where the runtime gave none.
    static func list(_ config: ConfigReader) throws(CNIError) -> [PortMapping]? {
        guard let runtime = try config.object("runtimeConfig"), runtime.has("portMappings") else { return nil }
        var mappings: [PortMapping] = []
        for entry in try runtime.objects("portMappings") {
            let mapping = try PortMapping(entry)
            if let other = mappings.first(where: { $0.clashes(with: mapping) }) {
                throw CNIError(
                    .invalidConfiguration, "\(entry.place): host port \(mapping.text) is published twice: \(other.text) is there already")
            }
            mappings.append(mapping)
        }
        return mappings
    }

    init(_ entry: ConfigReader) throws(CNIError) {
        hostPort = try PortMapping.port(entry, "hostPort")
        containerPort = try PortMapping.port(entry, "containerPort")
        let name = try entry.string("protocol") ?? ""
        guard let transport = Transport(name: name) else {
            throw entry.invalid("protocol", "expected tcp, udp or sctp, found \"\(name)\"")
        }
        self.transport = transport
        hostIP = try entry.address("hostIP")
    }

    private static func port(_ entry: ConfigReader, _ key: String) throws(CNIError) -> UInt16 {
        guard let number = try entry.integer(key) else { throw entry.invalid(key, "is missing") }
        guard number >= 1, let port = UInt16(exactly: number) else { throw entry.invalid(key, "must be from 1 to 65535, is \(number)") }
        return port
    }

    /// Whether both want the same port of the same address.
    private func clashes(with other: PortMapping) -> Bool {
        guard transport == other.transport, hostPort == other.hostPort else { return false }
        return hostIP == other.hostIP
            || [IPAddress.Family.v4, .v6].contains { serves($0) && other.serves($0) && specificIP == other.specificIP }
    }

    /// Whether it is meant for addresses of this family.
    func serves(_ family: IPAddress.Family) -> Bool { hostIP.map { $0.family == family } ?? true }

    /// The one address of the host it is for; nil for all of them.
    var specificIP: IPAddress? { hostIP.flatMap { $0.isUnspecified ? nil : $0 } }

    /// "8080/tcp", "192.0.2.1:8080/tcp".
    var text: String { (specificIP.map { "\($0.text):" } ?? "") + "\(hostPort)/\(transport.name)" }
}
