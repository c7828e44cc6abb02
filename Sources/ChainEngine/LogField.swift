/// One named value of a line in the log.
public struct LogField: Sendable {
    /// The name, in lower case: "net".
    public let name: String
    /// The value.
    public let value: String

    /// Makes one of these parts.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// Whose a line is: net, and where they are not empty container and ifname.
    static func of(network: String, containerID: String, interfaceName: String) -> [LogField] {
        [LogField("net", network)]
            + [LogField("container", containerID), LogField("ifname", interfaceName)].filter { !$0.value.isEmpty }
    }

    /// `name=value`, the value quoted where it holds more than a plain word.
    var text: String { "\(name)=\(LogField.quoted(value))" }

    private static func quoted(_ value: String) -> String {
        let plain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3d && $0 != 0x5c && $0 != 0x7f }
        if plain { return value }
        var bytes: [UInt8] = [0x22]
        for byte in value.utf8 {
            switch byte {
            case 0x0a, 0x0d: bytes.append(0x20)
            case 0x22, 0x5c: bytes += [0x5c, byte]
            case 0..<0x20, 0x7f: bytes.append(UInt8(ascii: "?"))
            default: bytes.append(byte)
            }
        }
        bytes.append(0x22)
        return String(decoding: bytes, as: UTF8.self)
    }
}
