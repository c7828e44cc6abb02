import JSON

/// Reads the keys of one JSON object by type, and names the key, its place and what was expected where a value is of another.
///
/// As with the reference plugins, keys are found without regard to case, unknown ones are left alone, and null counts as absent.
public struct ConfigReader: Sendable {
    /// The object.
    public let object: JSONObject
    /// Where it stands in the configuration, as a dotted path: "ipam.ranges[0]". Empty at the top.
    public let place: String

    /// Makes one of these parts.
    public init(_ object: JSONObject, at place: String = "") {
        self.object = object
        self.place = place
    }

    /// The full path of a key here: "ipam.subnet".
    public func path(_ key: String) -> String { place.isEmpty ? key : "\(place).\(key)" }

    /// The value of a key; nil where it is absent or null.
    public func value(_ key: String) -> JSON? {
        guard let value = object.lenient(key), !value.isNull else { return nil }
        return value
    }

    /// Whether the key is there with a value other than null.
    public func has(_ key: String) -> Bool { value(key) != nil }

    /// A string; nil where the key is absent.
    public func string(_ key: String) throws(CNIError) -> String? {
        guard let value = value(key) else { return nil }
        guard let string = value.string else { throw mismatch(key, "a string", value) }
        return string
    }

    /// A string; nil where the key is absent or its value empty, which counts as absent with most keys.
    public func nonEmpty(_ key: String) throws(CNIError) -> String? {
        guard let string = try string(key), !string.isEmpty else { return nil }
        return string
    }

    /// A boolean; false where the key is absent.
    public func bool(_ key: String) throws(CNIError) -> Bool { try optionalBool(key) ?? false }

    /// A boolean; nil where the key is absent.
    public func optionalBool(_ key: String) throws(CNIError) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let bool = value.bool else { throw mismatch(key, "true or false", value) }
        return bool
    }

    /// An integer; nil where the key is absent. A whole number written as a real (1500.0) counts.
    public func integer(_ key: String) throws(CNIError) -> Int? {
        guard let value = value(key) else { return nil }
        switch value {
        case .integer(let integer): return Int(integer)
        case .real(let real):
            if let integer = Int(exactly: real) { return integer }
            throw mismatch(key, "an integer", value)
        default: throw mismatch(key, "an integer", value)
        }
    }

    /// An integer of 32 bits that is not negative; nil where the key is absent.
    public func unsigned(_ key: String) throws(CNIError) -> Int? {
        guard let number = try integer(key) else { return nil }
        guard number >= 0, number <= Int(UInt32.max) else {
            throw invalid(key, "must be from 0 to \(UInt32.max), is \(number)")
        }
        return number
    }

    /// An object; nil where the key is absent.
    public func object(_ key: String) throws(CNIError) -> ConfigReader? {
        guard let value = value(key) else { return nil }
        guard let object = value.object else { throw mismatch(key, "an object", value) }
        return ConfigReader(object, at: path(key))
    }

    /// A list; nil where the key is absent.
    public func array(_ key: String) throws(CNIError) -> [JSON]? {
        guard let value = value(key) else { return nil }
        guard let array = value.array else { throw mismatch(key, "a list", value) }
        return array
    }

    /// A list of objects; empty where the key is absent.
    public func objects(_ key: String) throws(CNIError) -> [ConfigReader] {
        var readers: [ConfigReader] = []
        for (index, item) in (try array(key) ?? []).enumerated() {
            guard let object = item.object else { throw mismatch("\(key)[\(index)]", "an object", item) }
            readers.append(ConfigReader(object, at: path("\(key)[\(index)]")))
        }
        return readers
    }

    /// A list of strings; empty where the key is absent.
    public func strings(_ key: String) throws(CNIError) -> [String] {
        var strings: [String] = []
        for (index, item) in (try array(key) ?? []).enumerated() {
            guard let string = item.string else { throw mismatch("\(key)[\(index)]", "a string", item) }
            strings.append(string)
        }
        return strings
    }

    /// An IP address; nil where the key is absent or the text empty.
    public func address(_ key: String) throws(CNIError) -> IPAddress? {
        guard let text = try string(key), !text.isEmpty else { return nil }
        guard let address = IPAddress(text) else { throw invalid(key, "expected an IP address, found \"\(text)\"") }
        return address
    }

    /// An address with prefix length; nil where the key is absent or the text empty.
    public func network(_ key: String) throws(CNIError) -> IPNetwork? {
        guard let text = try string(key), !text.isEmpty else { return nil }
        guard let network = IPNetwork(text) else {
            throw invalid(key, "expected an address with prefix length (10.1.0.0/16), found \"\(text)\"")
        }
        return network
    }

    /// An address with prefix length that must be there.
    public func requiredNetwork(_ key: String) throws(CNIError) -> IPNetwork {
        guard let network = try network(key) else { throw invalid(key, "is missing") }
        return network
    }

    /// The error for a value of another type than the key wants.
    public func mismatch(_ key: String, _ expected: String, _ found: JSON) -> CNIError {
        CNIError(.decodingFailure, "\(path(key)): expected \(expected), found \(found.kind)", details: "value: \(found.text())")
    }

    /// The error for a value of the right type that can't be right.
    public func invalid(_ key: String, _ why: String) -> CNIError { CNIError(.invalidConfiguration, "\(path(key)): \(why)") }
}

extension Sequence {
    /// `map` whose closure throws a typed error; the standard one's inference needs it spelt out in Embedded Swift.
    func map<T>(_ transform: (Element) throws(CNIError) -> T) throws(CNIError) -> [T] {
        var result: [T] = []
        for element in self { result.append(try transform(element)) }
        return result
    }
}
