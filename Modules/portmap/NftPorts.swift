import ModuleKit

/// Ports by nftables: an element of a map for each, and one for the container that tells which clients are masqueraded.
struct NftPorts {
    private let call: ModuleCall
    private let config: PortmapConfig
    /// The comment of the attachment's elements.
    private let comment: String

    init(_ call: ModuleCall, _ config: PortmapConfig) {
        self.call = call
        self.config = config
        comment = NftPorts.comment(call)
    }

    private static func comment(_ call: ModuleCall) -> String { NftIdentity.comment(network: call.network, call.attachment) }

    private static func has(_ call: ModuleCall, _ chain: String) throws(CNIError) -> Bool {
        try call.hasNftChain(family: "inet", table: NftTable.name, chain: chain)
    }

    // MARK: ADD

    /// Queues the elements of these ports, and what is shared where it is missing.
    func add(_ mappings: [PortMapping], _ result: CNIResult) throws(CNIError) {
        try NftChain.queueMissing(call, last: PortmapRules.baseChain, purpose: "set up published ports", sets: PortmapRules.sets) {
            () throws(CNIError) in try chains()
        }
        for family in [IPAddress.Family.v4, .v6] {
            let wanted = mappings.filter { $0.serves(family) }.flatMap { $0.singles }
            guard let target = result.containerAddress(family, on: call.interfaceName), !wanted.isEmpty else { continue }
            if config.conditions(family).isEmpty {
                for mapping in wanted { try publish(mapping, PortmapRules.element(mapping, to: target.address), to: target.address) }
            } else {
                try publishConditionally(wanted, to: target.address)
            }
            try registerTarget(target)
        }
    }

    private func chains() throws(CNIError) -> [NftChain] {
        PortmapRules.chains(conditional: try NftPorts.has(call, PortmapConditions.chain))
    }

    private func publishConditionally(_ mappings: [PortMapping], to target: IPAddress) throws(CNIError) {
        if try PortmapConditions.lookUps.isLacking(call) {
            try call.queueNft(PortmapConditions.setUp, purpose: "set up published ports with conditions")
        }
        let chain = PortmapConditions.chain(of: mappings, to: target, config.conditions(target.family), comment: comment)
        try call.queueNft(chain.commands, purpose: "publish with conditionsV\(target.family.rawValue)")
        for mapping in mappings { try publish(mapping, PortmapConditions.element(mapping, to: target, comment: comment), to: nil) }
    }

    /// Queues the element of one port. A port that another attachment has is an error that names it, or is waited for.
    ///
    /// - Parameter waiting: where the port shall lead to when it is free; nil for a port that can't be waited for.
    private func publish(
        _ mapping: PortMapping, _ place: (map: NftMap, element: NftMap.Element), to waiting: IPAddress?
    ) throws(CNIError) {
        var changes: [NftChange] = []
        if let present = try place.map.present(call, place.element.keyBytes) {
            if present.comment != comment {
                guard config.allowPortConflicts, let waiting else { throw NftPorts.taken(mapping, present.comment, place.map) }
                call.log(.warning, "portmap: host port \(mapping.text) is in use by \(present.comment ?? "no one"): waiting for it")
                return try PortQueue.queueAdd(call, mapping, to: waiting, comment: comment)
            }
            changes.append(place.map.deleting(place.element))
        }
        changes.append(place.map.adding(place.element, comment: comment, isNew: true))
        try call.queueNft(changes, purpose: "publish host port \(mapping.text)")
    }

    private static func taken(_ mapping: PortMapping, _ owner: String?, _ map: NftMap) -> CNIError {
        CNIError(
            "publish host port \(mapping.text): it is in use by \(owner ?? "an element without an owner")",
            details: "choose another host port, or remove the other attachment; nft list map inet catena \(map.name) shows all")
    }

    /// Queues the container's element that tells which clients are masqueraded.
    private func registerTarget(_ target: IPNetwork) throws(CNIError) {
        // The address is this attachment's now: what another one left behind for it is stale.
        var changes = try Hairpin.present(call, target).map { $0.place.map.deleting($0.place.element) }
        let hairpin = Hairpin(target, config)
        if let chain = hairpin.networkChain {
            try NftChain.queueMissing(call, last: chain.name, purpose: "set up hairpin of \(target.network.text)") {
                () throws(CNIError) in [chain]
            }
        }
        changes.append(hairpin.place.map.adding(hairpin.place.element, comment: comment))
        try call.queueNft(changes, purpose: "hairpin of \(target.address.text)")
    }

    // MARK: DEL

    /// Queues the removal of the attachment's elements. Where the runtime does not say which ports they were, or the addresses are not
    /// known, they are found by their comments.
    static func queueRemove(_ call: ModuleCall, _ mappings: [PortMapping]?, _ targets: [IPNetwork]?) throws(CNIError) {
        guard try has(call, PortmapRules.baseChain) else { return }
        let comment = comment(call)
        var removed: [(map: NftMap, key: String)] = []
        var commands: [String] = []
        if let targets, let mappings {
            let found = try known(call, mappings, targets)
            removed = found.map { ($0.map, $0.element.key) }
            try call.queueNft(found.map { $0.map.deleting($0.element) }, purpose: "remove published ports")
        } else if try targets.map({ (targets) throws(CNIError) in try hasPorts(call, targets) }) ?? true {
            for map in try allMaps(call) { removed += try map.keys(call) { $0 == comment }.map { (map, $0) } }
            commands = removed.map { $0.map.deleteCommand(key: $0.key) }
        }
        if try has(call, PortmapConditions.chain) { commands += try PortmapConditions.chainRemoval(call, of: comment) }
        commands += try PortQueue.removal(call, freed: removed) { $0 == comment }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove published ports") }
    }

    private static func allMaps(_ call: ModuleCall) throws(CNIError) -> [NftMap] {
        try PortmapRules.maps + Hairpin.sets + (has(call, PortmapConditions.chain) ? PortmapConditions.maps : [])
    }

    /// Whether the attachment has published ports: then it has an element that tells which clients are masqueraded.
    private static func hasPorts(_ call: ModuleCall, _ targets: [IPNetwork]) throws(CNIError) -> Bool {
        let comment = comment(call)
        for target in targets where try Hairpin.present(call, target).contains(where: { $0.comment == comment }) { return true }
        return false
    }

    /// Those elements of the mappings that are the attachment's.
    private static func known(
        _ call: ModuleCall, _ mappings: [PortMapping], _ targets: [IPNetwork]
    ) throws(CNIError) -> [(map: NftMap, element: NftMap.Element)] {
        let comment = comment(call)
        let hasConditions = try has(call, PortmapConditions.chain)
        var candidates: [(map: NftMap, element: NftMap.Element)] = []
        for family in [IPAddress.Family.v4, .v6] {
            guard let target = targets.first(where: { $0.address.family == family }) else { continue }
            let singles = mappings.filter { $0.serves(family) }.flatMap { $0.singles }
            candidates += singles.map { PortmapRules.element($0, to: target.address) }
            if hasConditions { candidates += singles.map { PortmapConditions.element($0, to: target.address, comment: comment) } }
            candidates += Hairpin.places(target)
        }
        var found: [(map: NftMap, element: NftMap.Element)] = []
        for (map, element) in candidates where try map.present(call, element.keyBytes)?.comment == comment {
            found.append((map, element))
        }
        return found
    }

    // MARK: CHECK, GC

    /// The differences between these ports and what is there.
    func check(_ mappings: [PortMapping], _ result: CNIResult) throws(CNIError) -> [String] {
        var lines = try NftChain.differences(call, try chains())
        for family in [IPAddress.Family.v4, .v6] {
            let wanted = mappings.filter { $0.serves(family) }.flatMap { $0.singles }
            guard let network = result.containerAddress(family, on: call.interfaceName), !wanted.isEmpty else { continue }
            let target = network.address
            let conditions = config.conditions(family)
            lines += try NftChain.differences(call, ownChains(wanted, network, conditions))
            for mapping in wanted {
                let place =
                    conditions.isEmpty
                    ? PortmapRules.element(mapping, to: target) : PortmapConditions.element(mapping, to: target, comment: comment)
                lines += try difference(mapping, place, target)
            }
            let hairpin = Hairpin(network, config).place
            lines += try hairpin.map.differences(call, hairpin.element, comment: comment)
        }
        return lines
    }

    /// The chains beside those of all that a container's ports need.
    private func ownChains(_ mappings: [PortMapping], _ target: IPNetwork, _ conditions: [String]) -> [NftChain] {
        [Hairpin(target, config).networkChain].compactMap { $0 }
            + (conditions.isEmpty
                ? []
                : [PortmapConditions.lookUps, PortmapConditions.chain(of: mappings, to: target.address, conditions, comment: comment)])
    }

    private func difference(
        _ mapping: PortMapping, _ place: (map: NftMap, element: NftMap.Element), _ target: IPAddress
    ) throws(CNIError) -> [String] {
        let (map, element) = place
        let expected = "host port \(mapping.text): expected to lead to \(element.value)"
        guard let present = try map.present(call, element.keyBytes) else { return ["\(expected), found no element in map \(map.name)"] }
        if present.comment != comment {
            if config.allowPortConflicts, try PortQueue.isWaiting(call, mapping, for: target, comment: comment) { return [] }
            return ["\(expected), found an element of \(present.comment ?? "no one")"]
        }
        if present.data != element.valueBytes { return ["\(expected), found another target"] }
        return []
    }

    /// Queues the removal of what attachments of the call's network have published that are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        guard try has(call, PortmapRules.baseChain) else { return }
        let prefix = NftIdentity.prefix(call.network)
        let valid = Set(call.validAttachments.map { NftIdentity.comment(network: call.network, $0) })
        func isUnused(_ comment: String) -> Bool { comment.hasPrefix(prefix) && !valid.contains(comment) }
        var removed: [(map: NftMap, key: String)] = []
        for map in try allMaps(call) { removed += try map.keys(call, where: isUnused).map { (map, $0) } }
        var commands = removed.map { $0.map.deleteCommand(key: $0.key) }
        if try has(call, PortmapConditions.chain) { commands += try PortmapConditions.chainRemoval(call, where: isUnused) }
        commands += try PortQueue.removal(call, freed: removed, where: isUnused)
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove published ports that are not in use") }
    }
}
