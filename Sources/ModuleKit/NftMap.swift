import CNI
import CatenaABI
import JSON
import ModuleABI

/// A change of one element, to queue.
public typealias NftChange = ModuleABI.NftChange

/// A map, or a set, of the table `catena` whose elements belong to attachments.
public struct NftMap: Sendable {
    /// One element to add.
    public struct Element: Sendable {
        /// The key as nft writes it: "tcp . 8080".
        public let key: String
        /// The key as the kernel has it.
        public let keyBytes: [UInt8]
        /// The value as nft writes it: "10.1.0.5 . 80", "goto chain"; empty in a set.
        public let value: String
        /// The value as the kernel has it; nil for a verdict, an object, and in a set.
        public let valueBytes: [UInt8]?
        /// The name of the object that the element refers to; nil for none.
        public let object: String?

        /// Makes one of these parts.
        public init(key: String, keyBytes: [UInt8], value: String = "", valueBytes: [UInt8]? = nil) {
            self.key = key
            self.keyBytes = keyBytes
            self.value = value
            self.valueBytes = valueBytes
            object = nil
        }

        /// Makes one that refers to an object, such as a counter.
        public init(key: String, keyBytes: [UInt8], object: String) {
            self.key = key
            self.keyBytes = keyBytes
            value = "\"\(object)\""
            valueBytes = nil
            self.object = object
        }
    }

    /// The name.
    public let name: String
    private let type: String
    private let family: NftFamily
    private let kind: String

    /// A map.
    ///
    /// - Parameter type: "ipv4_addr : verdict".
    public init(_ name: String, type: String) {
        self.name = name
        self.type = type
        family = .inet
        kind = "map"
    }

    /// A set.
    ///
    /// - Parameter type: "ifname . ether_addr".
    public init(set name: String, type: String, _ family: NftFamily) {
        self.name = name
        self.type = type
        self.family = family
        kind = "set"
    }

    /// "map ports4", "set firewall4".
    public var text: String { "\(kind) \(name)" }

    private var place: String { "\(family.rawValue) catena \(name)" }

    /// The command that makes it; no change where it is there.
    public var add: String { "add \(kind) \(place) { type \(type); }" }

    /// What is there under a key.
    public func present(_ call: ModuleCall, _ key: [UInt8]) throws(CNIError) -> (comment: String?, data: [UInt8]?)? {
        try call.nftElement(family, set: name, key: key)
    }

    /// CHECK: that an element is not there, or another attachment's; nothing where it has this comment.
    public func differences(_ call: ModuleCall, _ element: Element, comment: String) throws(CNIError) -> [String] {
        let found = try present(call, element.keyBytes)
        if found?.comment == comment { return [] }
        let there = found.map { "that of \($0.comment ?? "no one")" } ?? "none"
        return ["nftables \(text): expected an element for \(element.key) of \(comment), found \(there)"]
    }

    /// The command that adds an element with the attachment's comment.
    public func addCommand(_ element: Element, comment: String, isNew: Bool = false) -> String {
        "\(isNew ? "create" : "add") element \(place) { \(element.key) comment \"\(comment)\"\(element.value.isEmpty ? "" : " : \(element.value)") }"
    }

    /// An element with the attachment's comment, as a change to queue.
    ///
    /// - Parameters:
    ///   - isNew: whether it is a failure that the key is there by then.
    ///   - setUp: the commands that make what the element leads to, should that be gone when it is committed.
    public func adding(_ element: Element, comment: String, isNew: Bool = false, setUp: String = "") -> NftChange {
        let lines = setUp.split(separator: "\n").map { String($0) } + [addCommand(element, comment: comment, isNew: isNew)]
        let hasVerdict = element.valueBytes == nil && element.object == nil && !element.value.isEmpty
        return NftChange(
            action: UInt32(isNew ? CATENA_NFT_CREATE_ELEMENT : CATENA_NFT_ADD_ELEMENT), family: family.rawValue, table: NftTable.name,
            set: name, key: element.keyBytes, data: element.valueBytes, verdict: hasVerdict ? element.value : nil, object: element.object,
            comment: comment,
            command: lines.joined(separator: "; "))
    }

    /// The same in place of what has its key now.
    public func replacing(_ call: ModuleCall, _ element: Element, comment: String, setUp: String = "") throws(CNIError) -> [NftChange] {
        try (present(call, element.keyBytes) == nil ? [] : [deleting(element)]) + [adding(element, comment: comment, setUp: setUp)]
    }

    /// The removal of an element, as a change to queue. It fails, and with it the transaction, where there is no such key.
    public func deleting(_ element: Element) -> NftChange {
        NftChange(
            action: UInt32(CATENA_NFT_DELETE_ELEMENT), family: family.rawValue, table: NftTable.name, set: name, key: element.keyBytes,
            command: deleteCommand(key: element.key))
    }

    /// The command that deletes a key. It fails, and with it the transaction, where there is no such key.
    public func deleteCommand(key: String) -> String { "delete element \(place) { \(key) }" }

    /// The keys of all elements whose comment is wanted, as nft writes them. Lists all: for when the keys are not known.
    public func keys(_ call: ModuleCall, where wanted: (String) -> Bool) throws(CNIError) -> [String] {
        try list(call, where: wanted).map { $0.key }
    }

    /// The same, each with the object that it refers to.
    public func objects(_ call: ModuleCall, where wanted: (String) -> Bool) throws(CNIError) -> [(key: String, object: String)] {
        try list(call, where: wanted).compactMap { element in element.value?.string.map { (element.key, $0) } }
    }

    private func list(_ call: ModuleCall, where wanted: (String) -> Bool) throws(CNIError) -> [(key: String, value: JSON?)] {
        guard let json = try call.queryNft("list \(kind) \(place)") else { return [] }
        var found: [(key: String, value: JSON?)] = []
        for object in json.object?["nftables"]?.array ?? [] {
            for item in object.object?[kind]?.object?["elem"]?.array ?? [] {
                // In a map each is a pair of key and value.
                guard let element = (item.array?.first ?? item).object?["elem"]?.object, let comment = element["comment"]?.string,
                    wanted(comment),
                    let value = element["val"], let key = NftMap.key(value)
                else { continue }
                found.append((key, item.array?.last))
            }
        }
        return found
    }

    /// A key of libnftables' JSON as nft writes it; nil for what none of ours has.
    static func key(_ value: JSON) -> String? {
        switch value {
        case .string(let text): return text
        case .integer(let number): return "\(number)"
        default:
            guard let parts = value.object?["concat"]?.array else { return nil }
            let words = parts.compactMap { key($0) }
            return words.count == parts.count ? words.joined(separator: " . ") : nil
        }
    }

    /// The commands that delete what attachments of the call's network hold which are not in use (GC).
    public func collectCommands(_ call: ModuleCall) throws(CNIError) -> [String] {
        let prefix = NftIdentity.prefix(call.network)
        let valid = Set(call.validAttachments.map { NftIdentity.comment(network: call.network, $0) })
        return try keys(call) { $0.hasPrefix(prefix) && !valid.contains($0) }.map { deleteCommand(key: $0) }
    }
}
