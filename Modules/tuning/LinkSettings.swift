import ModuleKit

/// Attributes of a link: what to set, or what they were; nil is one that does not matter.
struct LinkSettings: Equatable {
    var mac: MACAddress?
    var promiscuous: Bool?
    var mtu: Int?
    var allMulticast: Bool?
    var txQueueLength: Int?

    var isEmpty: Bool { self == LinkSettings() }

    /// Of the attributes that are set here, what they are on a link.
    func values(on link: LinkInfo) -> LinkSettings {
        LinkSettings(
            mac: mac == nil ? nil : link.mac, promiscuous: promiscuous == nil ? nil : link.isPromiscuous, mtu: mtu == nil ? nil : link.mtu,
            allMulticast: allMulticast == nil ? nil : link.isAllMulticast,
            txQueueLength: txQueueLength == nil ? nil : link.txQueueLength)
    }

    /// Each of it as a change of its own: an error names the one that failed.
    var changes: [LinkChange] {
        [
            mtu.map { LinkChange(mtu: $0) }, mac.map { LinkChange(mac: $0) }, promiscuous.map { LinkChange(promiscuous: $0) },
            allMulticast.map { LinkChange(allMulticast: $0) }, txQueueLength.map { LinkChange(txQueueLength: $0) },
        ].compactMap { $0 }
    }

    /// These, and what `other` has that is not set here.
    func completed(by other: LinkSettings) -> LinkSettings {
        LinkSettings(
            mac: mac ?? other.mac, promiscuous: promiscuous ?? other.promiscuous, mtu: mtu ?? other.mtu,
            allMulticast: allMulticast ?? other.allMulticast, txQueueLength: txQueueLength ?? other.txQueueLength)
    }
}
