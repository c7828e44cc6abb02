import ModuleKit

/// A set of addresses as bits, in pages of 65,536 addresses in a row (an IPv4 /16, an IPv6 /112): the next address that is not in it is
/// found fast, however many are.
struct AddressBitmap {
    /// By each page's first address; 8 KiB each.
    private(set) var pages: [IPAddress: [UInt8]] = [:]

    /// How long a page is, in bytes.
    static let pageSize = 8192
    private static let mask: UInt64 = 0xffff

    /// The first address of the page that an address is on.
    static func page(of address: IPAddress) -> IPAddress {
        IPAddress(family: address.family, high: address.high, low: address.low & ~mask)
    }

    /// Which of its page an address is: 0 to 65535.
    static func index(of address: IPAddress) -> Int { Int(address.low & mask) }

    /// The address of this index on a page.
    static func address(on page: IPAddress, at index: Int) -> IPAddress {
        IPAddress(family: page.family, high: page.high, low: page.low | UInt64(index))
    }

    /// The last address of the page that `address` is on, or `last` where that comes before.
    static func endOfPage(_ address: IPAddress, _ last: IPAddress) -> IPAddress {
        min(last, self.address(on: page(of: address), at: Int(mask)))
    }

    /// Whether the bit of an index is set in the bytes of a page.
    static func isSet(_ bytes: [UInt8], _ index: Int) -> Bool { bytes[index >> 3] & (1 << UInt8(index & 7)) != 0 }

    /// Whether an address is in the set.
    func contains(_ address: IPAddress) -> Bool { byte(of: address) & (1 << UInt8(AddressBitmap.index(of: address) & 7)) != 0 }

    /// The byte that holds an address's bit.
    func byte(of address: IPAddress) -> UInt8 { pages[AddressBitmap.page(of: address)]?[AddressBitmap.index(of: address) >> 3] ?? 0 }

    /// Sets a page's bytes, as many as there are.
    mutating func load(_ page: IPAddress, _ bytes: [UInt8]) {
        pages[page] = bytes + [UInt8](repeating: 0, count: AddressBitmap.pageSize - bytes.count)
    }

    /// Puts an address in.
    mutating func insert(_ address: IPAddress) {
        let index = AddressBitmap.index(of: address)
        pages[AddressBitmap.page(of: address), default: [UInt8](repeating: 0, count: AddressBitmap.pageSize)][index >> 3] |=
            1 << UInt8(index & 7)
    }

    /// Takes an address out.
    mutating func remove(_ address: IPAddress) {
        let index = AddressBitmap.index(of: address)
        pages[AddressBitmap.page(of: address)]?[index >> 3] &= ~(1 << UInt8(index & 7))
    }

    /// The first address from `first` to `last` that is not in the set; nil where all are.
    func firstFree(from first: IPAddress, through last: IPAddress) -> IPAddress? {
        var next: IPAddress? = first
        while let first = next, first <= last {
            let end = AddressBitmap.endOfPage(first, last)
            guard let bytes = pages[AddressBitmap.page(of: first)] else { return first }
            if let index = AddressBitmap.firstClear(bytes, from: AddressBitmap.index(of: first), through: AddressBitmap.index(of: end)) {
                return AddressBitmap.address(on: AddressBitmap.page(of: first), at: index)
            }
            next = end.next
        }
        return nil
    }

    private static func firstClear(_ bytes: [UInt8], from first: Int, through last: Int) -> Int? {
        var index = first
        while index <= last {
            if bytes[index >> 3] == 0xff {
                index = (index | 7) + 1
            } else if isSet(bytes, index) {
                index += 1
            } else {
                return index
            }
        }
        return nil
    }
}
