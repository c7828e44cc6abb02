import CNI
import ChainEngine
import HostLocalModule
import JSON
import Linux
import NetworkConfiguration

/// A network with reservations of host-local.
struct IPAMNetwork {
    let name: String
    private let inspection: Inspection
    /// How many seconds a reservation without an attachment is new.
    private let grace: Int

    /// The network of a name, or all: those that are configured and use host-local, and those that have a directory.
    static func find(_ name: String?, dataDirectory: String?, grace: Int) throws(CNIError) -> [IPAMNetwork] {
        let configured = ConfigurationDirectory(RuntimeSession.variable("NETCONFPATH", "/etc/cni/net.d"))
        if let name {
            try Names.checkNetwork(name)
            guard let network = try IPAMNetwork(name, configured, dataDirectory, grace) else {
                throw CNIError(
                    "network \(name) has no reservations of host-local",
                    details: "\(configured.path) has no such network that uses it, nor is there a directory of that name in "
                        + (dataDirectory ?? Inspection.standardDataDirectory))
            }
            return [network]
        }
        let directories = ((try? File.list(dataDirectory ?? Inspection.standardDataDirectory)) ?? []).filter { Names.isPluginType($0) }
        var found: [IPAMNetwork] = []
        for name in Set(try configured.names() + directories).sorted() {
            if let network = try IPAMNetwork(name, configured, dataDirectory, grace) { found.append(network) }
        }
        return found
    }

    /// Nil where the network neither uses host-local nor has a directory.
    private init?(_ name: String, _ configured: ConfigurationDirectory, _ dataDirectory: String?, _ grace: Int) throws(CNIError) {
        self.name = name
        self.grace = grace
        guard (try configured.names()).contains(name) else {
            inspection = try Inspection(network: name, configurations: [], cniVersion: "", dataDirectory: dataDirectory)
            if !inspection.exists { return nil }
            return
        }
        let network = try configured.network(named: name, warn: Failure.warn)
        let plugins = IPAMNetwork.users(of: "host-local", network.plugins, network: name)
        do throws(CNIError) {
            inspection = try Inspection(
                network: name, configurations: plugins, cniVersion: network.cniVersion, dataDirectory: dataDirectory)
        } catch {
            // The ranges can be the runtime's to give, or the configuration is broken: what is reserved can be seen all the same.
            Failure.warn("network \(name): \(error.text): its ranges are not known")
            let directory = try plugins.first?.object("ipam")?.nonEmpty("dataDir")
            inspection = try Inspection(network: name, configurations: [], cniVersion: "", dataDirectory: dataDirectory ?? directory)
        }
        if plugins.isEmpty && !inspection.exists { return nil }
    }

    /// The plugins that delegate to an IPAM plugin, those of catena's own chain included.
    private static func users(of type: String, _ plugins: [JSON], network: String) -> [ConfigReader] {
        plugins.compactMap { $0.object.map { ConfigReader($0) } }.flatMap { plugin -> [ConfigReader] in
            if (try? plugin.string("type")) == "catena" { return users(of: type, chain(plugin, network), network: network) }
            return (try? plugin.object("ipam")?.string("type")) == type ? [plugin] : []
        }
    }

    private static func chain(_ plugin: ConfigReader, _ network: String) -> [JSON] {
        if let chain = try? plugin.array("chain") { return chain.filter { $0.object?["type"]?.string != "catena" } }
        let path = (try? plugin.string("conflist")) ?? "\(HostConfiguration.directory)/\(network).conflist"
        guard let bytes = try? File.read(path), let chain = try? NetworkConfiguration(bytes) else { return [] }
        return chain.plugins.filter { $0.object?["type"]?.string != "catena" }
    }

    // MARK: What is there

    /// All reservations, and whether they are in use.
    func reservations() throws(CNIError) -> [IPAMReservation] {
        let known = Dictionary(grouping: KnownAttachment.all(network: name)) { $0.attachment.containerID }
        return try inspection.held().map {
            IPAMReservation(network: name, directory: inspection.directory, held: $0, known: known, grace: grace)
        }
    }

    /// Those of several networks.
    static func reservations(of networks: [IPAMNetwork]) throws(CNIError) -> [IPAMReservation] {
        var found: [IPAMReservation] = []
        for network in networks { found += try network.reservations() }
        return found
    }

    /// How full the range sets are.
    func usage() throws(CNIError) -> IPAMUsage {
        let all = try reservations()
        let leaked = Set(all.filter { $0.state.isLeaked }.map { $0.held.address })
        return IPAMUsage(
            network: name, directory: inspection.directory, held: all.count, leaked: leaked.count,
            pools: inspection.pools(all.map { $0.held }).map { pool in
                IPAMUsage.Pool(
                    text: pool.text, capacity: pool.capacity, held: pool.held.count, free: pool.free,
                    leaked: pool.held.filter { leaked.contains($0.address) }.count)
            })
    }

    /// What is wrong.
    func check() throws(CNIError) -> IPAMReport {
        var report = IPAMReport(network: name, directory: inspection.directory)
        for finding in try inspection.findings() { report.add(finding.kind.rawValue, finding.text, isWarning: finding.isWarning) }
        for item in try reservations() where item.state.isLeaked {
            report.add("leaked", "\(item.held.address.text), held by \(item.held.owner), is leaked: \(item.state.reason)", isWarning: true)
        }
        return report
    }

    /// Releases these, and returns those that were still there.
    func release(_ chosen: [IPAMReservation]) throws(CNIError) -> [IPAMReservation] {
        if chosen.isEmpty { return [] }
        let released = try inspection.release(chosen.map { $0.held }, warn: Failure.warn)
        return chosen.filter { item in released.contains { $0.file == item.held.file } }
    }
}

/// How full a network's range sets are.
struct IPAMUsage {
    struct Pool {
        let text: String
        let capacity: UInt64
        let held: Int
        let free: UInt64
        let leaked: Int
    }

    let network: String
    let directory: String
    let held: Int
    let leaked: Int
    let pools: [Pool]

    /// One a range set, or one where no ranges are known.
    var rows: [[String]] {
        if pools.isEmpty { return [[network, "-", "\(held)", "-", "\(leaked)", directory]] }
        return pools.map { [network, $0.text, "\($0.held)", "\($0.free)", "\($0.leaked)", directory] }
    }

    var json: JSON {
        // What is more than a JSON reader's integers hold is cut to their largest.
        func number(_ value: UInt64) -> JSON { .integer(Int64(clamping: value)) }
        let sets = pools.map { pool -> JSON in
            .object(
                JSONObject([
                    ("ranges", .string(pool.text)), ("capacity", number(pool.capacity)), ("held", .integer(Int64(pool.held))),
                    ("free", number(pool.free)), ("leaked", .integer(Int64(pool.leaked))),
                ]))
        }
        return .object(
            JSONObject([
                ("network", .string(network)), ("directory", .string(directory)), ("held", .integer(Int64(held))),
                ("leaked", .integer(Int64(leaked))), ("rangeSets", .array(sets)),
            ]))
    }
}

/// What `ipam check` says of a network.
struct IPAMReport {
    let network: String
    let directory: String
    private var findings: [(kind: String, text: String, isWarning: Bool)] = []

    init(network: String, directory: String) {
        self.network = network
        self.directory = directory
    }

    /// Whether there is no error.
    var isOK: Bool { findings.allSatisfy { $0.isWarning } }

    mutating func add(_ kind: String, _ text: String, isWarning: Bool) { findings.append((kind, text, isWarning)) }

    var text: String {
        findings.map { "\(network): \($0.isWarning ? "warning" : "error"): \($0.text)\n" }.joined() + (isOK ? "\(network): ok\n" : "")
    }

    var json: JSON {
        .object(
            JSONObject([
                ("network", .string(network)), ("directory", .string(directory)), ("ok", .bool(isOK)),
                (
                    "findings",
                    .array(
                        findings.map {
                            .object(
                                JSONObject([
                                    ("level", .string($0.isWarning ? "warning" : "error")), ("kind", .string($0.kind)),
                                    ("text", .string($0.text)),
                                ]))
                        })
                ),
            ]))
    }
}
