import DHCP

/// What has happened since the daemon started, for people who watch many nodes.
struct Counters {
    var sent: [DHCPMessage.Kind: Int] = [:]
    var received: [DHCPMessage.Kind: Int] = [:]
    var sent6: [DHCPv6Message.Kind: Int] = [:]
    var received6: [DHCPv6Message.Kind: Int] = [:]
    var solicitations = 0
    var advertisements = 0
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

    private static let kinds6: [(kind: DHCPv6Message.Kind, name: String)] = [
        (.solicit, "solicit"), (.advertise, "advertise"), (.request, "request"), (.renew, "renew"), (.rebind, "rebind"), (.reply, "reply"),
        (.release, "release"), (.decline, "decline"),
    ]

    /// The text format of Prometheus.
    func text(states: [(name: String, count: Int)], states6: [(name: String, count: Int)]) -> String {
        var lines: [String] = []
        func family(_ name: String, _ type: String, _ help: String, _ samples: [(label: String, value: Int)]) {
            lines.append("# HELP \(name) \(help)")
            lines.append("# TYPE \(name) \(type)")
            for sample in samples { lines.append("\(name)\(sample.label) \(sample.value)") }
        }
        for (name, help, states) in [
            ("catena_dhcp_leases", "Leases of IPv4 by state.", states), ("catena_dhcpv6_leases", "Leases of IPv6 by state.", states6),
        ] {
            family(name, "gauge", help, states.map { ("{state=\"\($0.name)\"}", $0.count) })
        }
        for (name, help, counts) in [
            ("catena_dhcp_messages_sent_total", "DHCP messages sent.", sent),
            ("catena_dhcp_messages_received_total", "Well-formed DHCP messages received.", received),
        ] {
            family(name, "counter", help, Counters.kinds.map { ("{type=\"\($0.name)\"}", counts[$0.kind] ?? 0) })
        }
        for (name, help, counts) in [
            ("catena_dhcpv6_messages_sent_total", "DHCPv6 messages sent.", sent6),
            ("catena_dhcpv6_messages_received_total", "Well-formed DHCPv6 messages received.", received6),
        ] {
            family(name, "counter", help, Counters.kinds6.map { ("{type=\"\($0.name)\"}", counts[$0.kind] ?? 0) })
        }
        for (name, help, value) in [
            ("router_solicitations_sent", "Router solicitations sent.", solicitations),
            ("router_advertisements_received", "Well-formed router advertisements received while waited for.", advertisements),
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
