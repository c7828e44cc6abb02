/// A CNI specification version.
public struct CNIVersion: Equatable, Comparable, Sendable {
    /// The first number.
    public let major: Int
    /// The second number.
    public let minor: Int
    /// The third number.
    public let patch: Int

    /// Makes one of these parts.
    public init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Parses one to three numbers with dots between; missing ones are 0, an empty text is 0.1.0. Nil for anything else.
    ///
    /// As the reference's `ParseVersion` does.
    public init?(_ text: String) {
        if text.isEmpty {
            self.init(0, 1, 0)
            return
        }
        var numbers: [Int] = []
        for part in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard numbers.count < 3, !part.isEmpty, part.count <= 6, part.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
            numbers.append(part.reduce(0) { $0 * 10 + Int($1 - 0x30) })
        }
        while numbers.count < 3 { numbers.append(0) }
        self.init(numbers[0], numbers[1], numbers[2])
    }

    /// The versions that were released, oldest first.
    public static let released = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]

    /// The newest one.
    public static let current = "1.1.0"

    /// Whether `left` is the older version.
    public static func < (left: CNIVersion, right: CNIVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    /// "1.1.0".
    public var text: String { "\(major).\(minor).\(patch)" }

    /// The shape of a result: versions of one family print results alike.
    public enum Family: Equatable, Sendable {
        /// 0.1.0 and 0.2.0: `ip4`, `ip6`.
        case single
        /// 0.3.0 to 0.4.0: lists, with `version` in each address.
        case listed
        /// 1.0.0 and later.
        case current
    }

    /// The family of this version's results.
    public var family: Family {
        if self < CNIVersion(0, 3, 0) { return .single }
        return self < CNIVersion(1, 0, 0) ? .listed : .current
    }
}
