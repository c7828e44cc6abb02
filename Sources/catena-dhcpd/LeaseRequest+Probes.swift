import DHCPSocket

extension LeaseRequest {
    /// How often an address is probed, and how long each time may take, in milliseconds.
    var probes: (count: Int, interval: Int) {
        let count = probe == 0 ? 0 : min(3, max(1, probe / 100))
        return (count, probe / max(1, count))
    }
}
