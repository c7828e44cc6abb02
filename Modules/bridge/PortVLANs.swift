import ModuleKit

/// The VLANs of the container's port: keys `vlan`, `vlanTrunk` and `preserveDefaultVlan`.
struct PortVLANs {
    private static let valid = 1...4094

    /// The VLAN of frames without a tag. With a trunk alone it is 1, as in the reference.
    let native: UInt16?
    /// The VLANs of frames with a tag: sorted, apart from each other, without the native one.
    let tagged: [ClosedRange<UInt16>]
    /// Whether the port stays in the VLAN that the bridge puts new ports in.
    let keepsDefault: Bool
    /// The key `vlan`: also the gateway is in this VLAN. Nil for a port without one, or with a trunk alone.
    let access: UInt16?
    /// Whether a new bridge filters: also where the trunk is empty, as in the reference.
    let wantsFiltering: Bool

    /// None.
    init() {
        (native, access, tagged, keepsDefault, wantsFiltering) = (nil, nil, [], false, false)
    }

    init(_ config: ConfigReader) throws(CNIError) {
        let vlan = try config.integer("vlan") ?? 0
        guard vlan == 0 || PortVLANs.valid.contains(vlan) else { throw config.invalid("vlan", "must be from 0 to 4094, is \(vlan)") }
        var ranges: [ClosedRange<UInt16>] = []
        for item in try config.objects("vlanTrunk") { ranges += try PortVLANs.ranges(item) }
        access = vlan == 0 ? nil : UInt16(vlan)
        native = access ?? (ranges.isEmpty ? nil : 1)
        let own = native
        let lists = BridgeVLAN.normalized(ranges.map { BridgeVLAN(tagged: $0) }).map { PortVLANs.split($0.ids, around: own) }
        tagged = lists.flatMap { $0 }
        keepsDefault = try config.bool("preserveDefaultVlan")
        wantsFiltering = config.has("vlanTrunk") || native != nil
    }

    /// The ranges of one item of the trunk: `minID` to `maxID`, and `id`.
    private static func ranges(_ item: ConfigReader) throws(CNIError) -> [ClosedRange<UInt16>] {
        var ranges: [ClosedRange<UInt16>] = []
        let first = try id(item, "minID")
        let last = try id(item, "maxID")
        if let first, let last {
            if first > last { throw item.invalid("maxID", "must not be less than minID \(first), is \(last)") }
            ranges.append(first...last)
        } else if first != nil || last != nil {
            throw item.invalid(first == nil ? "minID" : "maxID", "is missing: minID and maxID go together")
        }
        if let single = try id(item, "id") { ranges.append(single...single) }
        if ranges.isEmpty { throw item.invalid("id", "is missing: expected id, or minID and maxID") }
        return ranges
    }

    private static func id(_ item: ConfigReader, _ key: String) throws(CNIError) -> UInt16? {
        guard let number = try item.integer(key) else { return nil }
        guard valid.contains(number) else { throw item.invalid(key, "must be from 1 to 4094, is \(number)") }
        return UInt16(number)
    }

    /// What is left of a range without one of its numbers.
    private static func split(_ range: ClosedRange<UInt16>, around number: UInt16?) -> [ClosedRange<UInt16>] {
        guard let number, range.contains(number) else { return [range] }
        var parts: [ClosedRange<UInt16>] = []
        if number > range.lowerBound { parts.append(range.lowerBound...(number - 1)) }
        if number < range.upperBound { parts.append((number + 1)...range.upperBound) }
        return parts
    }

    /// Whether the port is left as the bridge makes it.
    var isEmpty: Bool { native == nil }

    /// The memberships to set, normalized.
    var memberships: [BridgeVLAN] {
        BridgeVLAN.normalized(tagged.map { BridgeVLAN(tagged: $0) } + (native.map { [BridgeVLAN(native: $0)] } ?? []))
    }

    /// The VLAN that a new port has to leave: the bridge's default one, unless it is wanted.
    func leaves(_ bridge: BridgeInfo?) -> UInt16? {
        guard !isEmpty, !keepsDefault, let standard = bridge?.defaultVLAN, !isMember(standard) else { return nil }
        return standard
    }

    /// The memberships that the port has to have in the end, normalized.
    func expected(_ bridge: BridgeInfo?) -> [BridgeVLAN] {
        guard keepsDefault, let standard = bridge?.defaultVLAN, !isMember(standard) else { return memberships }
        return BridgeVLAN.normalized(memberships + [BridgeVLAN(standard...standard, isPVID: false, isUntagged: true)])
    }

    private func isMember(_ id: UInt16) -> Bool { native == id || tagged.contains { $0.contains(id) } }
}
