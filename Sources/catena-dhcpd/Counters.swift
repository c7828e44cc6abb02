import DHCP

/// What has happened since the daemon started, for people who watch many nodes.
struct Counters {
    var sent: [DHCPMessage.Kind: Int] = [:]
    var received: [DHCPMessage.Kind: Int] = [:]
    var malformed = 0
    var sendFailures = 0
    var granted = 0
    var renewed = 0
    var changed = 0
    var lost = 0
    var failed = 0
    var vanished = 0
    var released = 0
    var resumed = 0
    var refusedConnections = 0

    private static let kinds: [(kind: DHCPMessage.Kind, name: String)] = [
        (.discover, "discover"), (.offer, "offer"), (.request, "request"), (.decline, "decline"), (.ack, "ack"), (.nak, "nak"),
        (.release, "release"), (.inform, "inform"),
    ]

    /// The text format of Prometheus.
    func text(states: [(name: String, count: Int)]) -> String {
        var lines: [String] = []
        func family(_ name: String, _ type: String, _ help: String, _ samples: [(label: String, value: Int)]) {
            lines.append("# HELP \(name) \(help)")
            lines.append("# TYPE \(name) \(type)")
            for sample in samples { lines.append("\(name)\(sample.label) \(sample.value)") }
        }
        family("catena_dhcp_leases", "gauge", "Leases by state.", states.map { ("{state=\"\($0.name)\"}", $0.count) })
        for (name, help, counts) in [
            ("catena_dhcp_messages_sent_total", "DHCP messages sent.", sent),
            ("catena_dhcp_messages_received_total", "Well-formed DHCP messages received.", received),
        ] {
            family(name, "counter", help, Counters.kinds.map { ("{type=\"\($0.name)\"}", counts[$0.kind] ?? 0) })
        }
        for (name, help, value) in [
            ("packets_malformed", "Packets dropped because they are malformed.", malformed),
            ("send_failures", "Messages that could not be sent.", sendFailures),
            ("leases_granted", "Leases granted to an interface that had none.", granted),
            ("leases_renewed", "Leases extended.", renewed),
            ("leases_changed", "Leases that changed in use: address, gateway or routes.", changed),
            ("leases_lost", "Leases that ended or were refused in use.", lost),
            ("searches_failed", "Searches that were given up.", failed),
            ("interfaces_vanished", "Interfaces or namespaces that vanished without DEL.", vanished),
            ("leases_released", "Leases given back.", released),
            ("leases_resumed", "Leases taken up again when the daemon started.", resumed),
            ("connections_refused", "Connections of users who may not use the socket.", refusedConnections),
        ] {
            family("catena_dhcp_\(name)_total", "counter", help, [("", value)])
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
