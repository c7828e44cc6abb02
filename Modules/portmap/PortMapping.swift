import ModuleKit

/// One port of the host, or a range of them, that leads to ports of the container: an entry of `runtimeConfig.portMappings`.
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

        /// The name, as nft and iptables write it.
        var name: String {
            switch self {
            case .tcp: "tcp"
            case .udp: "udp"
            case .sctp: "sctp"
            }
        }
    }

    let transport: Transport
    let hostPorts: ClosedRange<UInt16>
    /// As many as those of the host.
    let containerPorts: ClosedRange<UInt16>
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
        hostPorts = try PortMapping.ports(entry, "hostPort")
        containerPorts = try PortMapping.ports(entry, "containerPort")
        guard hostPorts.count == containerPorts.count else {
            throw entry.invalid("containerPort", "must be as many ports as hostPort: \(hostPorts.count), is \(containerPorts.count)")
        }
        let name = try entry.string("protocol") ?? ""
        guard let transport = Transport(name: name) else {
            throw entry.invalid("protocol", "expected tcp, udp or sctp, found \"\(name)\"")
        }
        self.transport = transport
        hostIP = try entry.address("hostIP")
    }

    /// One port.
    init(transport: Transport, hostPort: UInt16, containerPort: UInt16, hostIP: IPAddress?) {
        self.transport = transport
        hostPorts = hostPort...hostPort
        containerPorts = containerPort...containerPort
        self.hostIP = hostIP
    }

    /// A number, or a range as "8000-8010".
    private static func ports(_ entry: ConfigReader, _ key: String) throws(CNIError) -> ClosedRange<UInt16> {
        guard let value = entry.value(key) else { throw entry.invalid(key, "is missing") }
        guard let text = value.string else {
            let number = try entry.integer(key) ?? 0
            guard number >= 1, let port = UInt16(exactly: number) else { throw entry.invalid(key, "must be from 1 to 65535, is \(number)") }
            return port...port
        }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { digits($0) }
        guard ends.count == 2, let first = ends[0], let last = ends[1], first >= 1, first <= last else {
            throw entry.invalid(key, "expected an integer, or a range such as \"8000-8010\", found \"\(text)\"")
        }
        return first...last
    }

    private static func digits(_ text: Substring) -> UInt16? { text.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } ? UInt16(text) : nil }

    /// The ports of a range one by one.
    var singles: [PortMapping] {
        zip(hostPorts, containerPorts).map {
            PortMapping(transport: transport, hostPort: $0, containerPort: $1, hostIP: hostIP)
        }
    }

    /// Whether both want the same port of the same address.
    private func clashes(with other: PortMapping) -> Bool {
        guard transport == other.transport, hostPorts.overlaps(other.hostPorts) else { return false }
        return hostIP == other.hostIP
            || [IPAddress.Family.v4, .v6].contains { serves($0) && other.serves($0) && specificIP == other.specificIP }
    }

    /// Whether it is meant for addresses of this family.
    func serves(_ family: IPAddress.Family) -> Bool { hostIP.map { $0.family == family } ?? true }

    /// The one address of the host it is for; nil for all of them.
    var specificIP: IPAddress? { hostIP.flatMap { $0.isUnspecified ? nil : $0 } }

    /// "8080/tcp", "192.0.2.1:8000-8010/tcp".
    var text: String { (specificIP.map { "\($0.text):" } ?? "") + "\(PortMapping.text(hostPorts, "-"))/\(transport.name)" }

    /// "8080", "8000-8010".
    static func text(_ ports: ClosedRange<UInt16>, _ between: String) -> String {
        ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)\(between)\(ports.upperBound)"
    }
}
