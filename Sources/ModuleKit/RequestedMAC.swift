import CNI

extension MACAddress {
    /// The hardware address that was asked for: the last of these texts that is not empty. Nil where none is: the kernel chooses one.
    public static func requested(lastOf texts: [String?]) throws(CNIError) -> MACAddress? {
        guard let text = texts.last(where: { !($0 ?? "").isEmpty }) ?? nil else { return nil }
        guard let mac = MACAddress(text) else {
            throw CNIError(.invalidConfiguration, "mac: expected a hardware address like 0a:58:0a:01:00:05, found \"\(text)\"")
        }
        return mac
    }
}
