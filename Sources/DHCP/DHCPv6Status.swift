/// How something went, as a server sees it: RFC 8415, section 21.13.
public struct DHCPv6Status: Equatable, Sendable {
    /// The code; 0 is success.
    public let code: UInt16
    /// What the server says about it.
    public let message: String

    /// Success, without a word.
    public static let success = DHCPv6Status(code: 0, message: "")

    /// It failed, for no reason that has a code.
    public static let unspecifiedFailure: UInt16 = 1
    /// The server has no address for the client.
    public static let noAddressesAvailable: UInt16 = 2
    /// The server knows of no such lease.
    public static let noBinding: UInt16 = 3
    /// The address is none of the client's link.
    public static let notOnLink: UInt16 = 4

    init(code: UInt16, message: String) {
        self.code = code
        self.message = message
    }

    /// Reads the option's value. Nil where it is too short.
    init?(_ value: [UInt8]) {
        guard let code = value[...].number(at: 0, as: UInt16.self) else { return nil }
        let text = value.dropFirst(2)
        self.init(code: code, message: text.contains { $0 < 0x20 || $0 == 0x7f } ? "" : String(decoding: text, as: UTF8.self))
    }

    /// Whether all is well.
    public var isSuccess: Bool { code == 0 }

    /// "NoAddrsAvail (no free addresses)", for messages.
    public var text: String {
        let names = ["Success", "UnspecFail", "NoAddrsAvail", "NoBinding", "NotOnLink", "UseMulticast"]
        let name = Int(code) < names.count ? names[Int(code)] : "status \(code)"
        return message.isEmpty ? name : "\(name) (\(message))"
    }
}
