/// The members of a JSON object, in order.
///
/// Look-up is linear: configurations and results have a dozen members.
public struct JSONObject: Equatable, Sendable {
    /// One member.
    public struct Member: Equatable, Sendable {
        /// The key.
        public var key: String
        /// The value.
        public var value: JSON

        /// Makes one of these parts.
        public init(key: String, value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// The members, in order; no key is there twice.
    public internal(set) var members: [Member] = []

    /// Makes an empty one.
    public init() {}

    /// An object of these members, in this order.
    public init(_ members: [(String, JSON)]) {
        for (key, value) in members { self[key] = value }
    }

    /// The value of a key by its exact spelling. Setting nil removes the member; setting a new key appends it.
    public subscript(key: String) -> JSON? {
        get {
            for member in members where member.key == key { return member.value }
            return nil
        }
        set {
            for index in members.indices where members[index].key == key {
                if let newValue { members[index].value = newValue } else { members.remove(at: index) }
                return
            }
            if let newValue { members.append(Member(key: key, value: newValue)) }
        }
    }

    /// The value of a key as the reference plugins find it (Go's encoding/json): by its exact spelling, else without regard to case.
    public func lenient(_ key: String) -> JSON? {
        if let value = self[key] { return value }
        for member in members where JSONObject.equalIgnoringCase(member.key, key) { return member.value }
        return nil
    }

    private static func equalIgnoringCase(_ left: String, _ right: String) -> Bool {
        guard left.utf8.count == right.utf8.count else { return false }
        for (a, b) in zip(left.utf8, right.utf8) where lower(a) != lower(b) { return false }
        return true
    }

    private static func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte }
}
