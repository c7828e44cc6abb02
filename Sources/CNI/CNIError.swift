import JSON

/// A failure as a CNI plugin reports it: a code, what failed, and what to do about it.
///
/// CNI 1.1.0, section 5 "Error".
public struct CNIError: Error, Equatable, Sendable {
    /// The CNI error code. 0 to 99 belong to the specification, 100 and up to plugins.
    public struct Code: RawRepresentable, Equatable, Sendable {
        /// The number.
        public let rawValue: UInt32
        /// The one of this number.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// The configuration's version is not supported.
        public static let incompatibleVersion = Code(rawValue: 1)
        /// A field of the configuration is not supported; the message holds key and value.
        public static let unsupportedField = Code(rawValue: 2)
        /// The container is unknown: the runtime need not clean up.
        public static let unknownContainer = Code(rawValue: 3)
        /// A CNI_ variable is missing or invalid; the message names it.
        public static let invalidEnvironment = Code(rawValue: 4)
        /// Reading or writing failed.
        public static let ioFailure = Code(rawValue: 5)
        /// Something could not be decoded.
        public static let decodingFailure = Code(rawValue: 6)
        /// The network configuration is invalid.
        public static let invalidConfiguration = Code(rawValue: 7)
        /// The network namespace is missing, is none, or is the plugin's own (the reference's code, not in the specification's table).
        public static let invalidNetns = Code(rawValue: 8)
        /// A passing condition: the runtime should try again.
        public static let tryAgainLater = Code(rawValue: 11)
        /// STATUS: not available.
        public static let notAvailable = Code(rawValue: 50)
        /// STATUS: not available, and containers already attached may be limited.
        public static let limitedConnectivity = Code(rawValue: 51)
        /// Everything else (the reference's code for it).
        public static let internalFailure = Code(rawValue: 999)
    }

    /// The code.
    public var code: Code
    /// What was being done, to what, and why it failed.
    public var message: String
    /// What to do about it, or more of the circumstances; may be empty.
    public var details: String

    /// Makes one of these parts.
    public init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    /// A failure of the general kind, code 999.
    public init(_ message: String, details: String = "") { self.init(.internalFailure, message, details: details) }

    /// Whether it is the configuration or the environment that is wrong: the same call again fails again.
    public var blamesConfiguration: Bool {
        [.incompatibleVersion, .unsupportedField, .invalidEnvironment, .decodingFailure, .invalidConfiguration].contains(code)
    }

    /// The same error with words in front of the message: where it happened.
    public func prefixed(_ prefix: String) -> CNIError { CNIError(code, "\(prefix): \(message)", details: details) }

    /// The same error with more details.
    public func adding(_ more: [String]) -> CNIError {
        CNIError(code, message, details: ([details] + more).filter { !$0.isEmpty }.joined(separator: "; "))
    }

    /// Throws the first of the failures, with the others in its details; nothing where there is none.
    public static func throwAll(_ failures: [CNIError]) throws(CNIError) {
        if let first = failures.first { throw first.adding(failures.dropFirst().map { $0.text }) }
    }

    /// Message and details in one line, as a runtime logs them.
    public var text: String { details.isEmpty ? message : "\(message); \(details)" }

    /// The error object that goes to standard output.
    public func json(version: String?) -> JSON {
        var object = JSONObject()
        if let version, !version.isEmpty { object["cniVersion"] = .string(version) }
        object["code"] = .integer(Int64(code.rawValue))
        object["msg"] = .string(message)
        if !details.isEmpty { object["details"] = .string(details) }
        return .object(object)
    }

    /// Reads an error object of an executable plugin, nil where it is none.
    public init?(_ json: JSON) {
        guard let object = json.object, let code = object.lenient("code")?.integer, let number = UInt32(exactly: code) else { return nil }
        self.init(
            Code(rawValue: number), object.lenient("msg")?.string ?? "", details: object.lenient("details")?.string ?? "")
    }
}
