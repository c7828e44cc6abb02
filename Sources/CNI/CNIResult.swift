import JSON

/// What a plugin's ADD made: interfaces, addresses, routes, DNS.
///
/// CNI 1.1.0, section 6 "Success". This is one shape for all versions; ``ResultFormat`` reads and writes each version's JSON.
public struct CNIResult: Equatable, Sendable {
    /// An interface, in the container or on the host.
    public struct Interface: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The hardware address as text; nil where it is not told.
        public var mac: String?
        /// MTU in bytes; nil where it is not told.
        public var mtu: Int?
        /// The path of the container's network namespace; nil for an interface of the host.
        public var sandbox: String?
        /// Path of a vhost-user socket.
        public var socketPath: String?
        /// PCI address of a device given to the container.
        public var pciID: String?

        /// Makes one of these parts.
        public init(
            name: String, mac: String? = nil, mtu: Int? = nil, sandbox: String? = nil, socketPath: String? = nil, pciID: String? = nil
        ) {
            self.name = name
            self.mac = mac
            self.mtu = mtu
            self.sandbox = sandbox
            self.socketPath = socketPath
            self.pciID = pciID
        }
    }

    /// An address.
    public struct IP: Equatable, Sendable {
        /// The address with its network's prefix length.
        public var address: IPNetwork
        /// The next hop.
        public var gateway: IPAddress?
        /// Index of the interface that has it; nil where it is not told, as in an IPAM plugin's result.
        public var interface: Int?

        /// Makes one of these parts.
        public init(address: IPNetwork, gateway: IPAddress? = nil, interface: Int? = nil) {
            self.address = address
            self.gateway = gateway
            self.interface = interface
        }
    }

    /// A route in the container.
    public struct Route: Equatable, Sendable {
        /// Where it leads to.
        public var destination: IPNetwork
        /// The next hop.
        public var gateway: IPAddress?
        /// MTU in bytes.
        public var mtu: Int?
        /// The MSS to advertise, in bytes.
        public var advertisedMSS: Int?
        /// The metric: of two routes to one destination the lower one counts.
        public var priority: Int?
        /// The routing table; nil is table main.
        public var table: Int?
        /// The scope as rtnetlink(7) numbers it; nil is the usual one.
        public var scope: Int?

        /// Makes one of these parts.
        public init(
            destination: IPNetwork, gateway: IPAddress? = nil, mtu: Int? = nil, advertisedMSS: Int? = nil, priority: Int? = nil,
            table: Int? = nil, scope: Int? = nil
        ) {
            self.destination = destination
            self.gateway = gateway
            self.mtu = mtu
            self.advertisedMSS = advertisedMSS
            self.priority = priority
            self.table = table
            self.scope = scope
        }
    }

    /// Resolver settings.
    public struct DNS: Equatable, Sendable {
        /// The name servers' addresses.
        public var nameservers: [String]
        /// The local domain.
        public var domain: String?
        /// The domains to search.
        public var search: [String]
        /// Resolver options, as resolv.conf(5) has them.
        public var options: [String]

        /// Makes one of these parts.
        public init(nameservers: [String] = [], domain: String? = nil, search: [String] = [], options: [String] = []) {
            self.nameservers = nameservers
            self.domain = domain
            self.search = search
            self.options = options
        }

        /// Whether nothing is set.
        public var isEmpty: Bool { nameservers.isEmpty && domain == nil && search.isEmpty && options.isEmpty }
    }

    /// The interfaces.
    public var interfaces: [Interface]
    /// The addresses.
    public var ips: [IP]
    /// The routes, in the container.
    public var routes: [Route]
    /// The resolver settings.
    public var dns: DNS
    /// Members that the specification does not have: some plugins print more, for those behind them.
    public var extra = JSONObject()

    /// Makes one of these parts.
    public init(interfaces: [Interface] = [], ips: [IP] = [], routes: [Route] = [], dns: DNS = DNS()) {
        self.interfaces = interfaces
        self.ips = ips
        self.routes = routes
        self.dns = dns
    }

    /// The first address of `family` that `interface` has in the container: one without an interface index, or with an index that
    /// names `interface` in a sandbox.
    public func containerAddress(_ family: IPAddress.Family, on interface: String) -> IPNetwork? {
        containerAddresses(on: interface).first { $0.address.family == family }
    }

    /// All addresses that `interface` has in the container, in the result's order.
    public func containerAddresses(on interface: String) -> [IPNetwork] { containerIPs(on: interface).map { $0.address } }

    /// The addresses that `interface` has in the container, with their gateways.
    public func containerIPs(on interface: String) -> [IP] {
        ips.filter { ip in
            guard let index = ip.interface, interfaces.indices.contains(index) else { return true }
            let owner = interfaces[index]
            return owner.name == interface && !(owner.sandbox ?? "").isEmpty
        }
    }
}
