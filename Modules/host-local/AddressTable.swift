import ModuleKit

/// Which addresses are reserved, since when and for whom, told without a look at the reservations.
///
/// A part of the index, and no more the truth than that: it counts as long as the index does. One file, `.taken-<address>`, is a page of an
/// ``AddressBitmap``, there where one of its addresses was ever reserved: first the bits, then 16 bytes an address, which only count where
/// its bit is set. So the next free address is found by one read of 8 KiB, however many are taken.
struct AddressTable {
    /// A reserved address.
    struct Entry: Equatable {
        let address: IPAddress
        /// When it was reserved: seconds since 1970.
        let since: Int
        /// The hash of who it is for; 0 where nobody knows.
        let owner: UInt64
    }

    /// The pages that were read. What has changed is written by ``flush(to:)``: until then it is only here.
    private var bitmap = AddressBitmap()
    private var parts: [IPAddress: [(offset: Int, bytes: [UInt8])]] = [:]

    private static let prefix = ".taken-"
    private static let entrySize = 16
    private static let fileSize = AddressBitmap.pageSize + 65536 * entrySize

    // MARK: Looking up

    /// The first address that is not reserved, of those from `first` to `last`; nil where all are.
    mutating func firstFree(from first: IPAddress, through last: IPAddress, in directory: borrowing Directory) throws(Errno) -> IPAddress? {
        var next: IPAddress? = first
        while let first = next, first <= last {
            let page = AddressBitmap.page(of: first)
            try load(page, directory)
            let end = AddressBitmap.endOfPage(first, last)
            if let free = bitmap.firstFree(from: first, through: end) { return free }
            next = end.next
        }
        return nil
    }

    /// All reserved ones of those from `first` to `last`, up to the first page of which none is reserved.
    func entries(from first: IPAddress, through last: IPAddress, in directory: borrowing Directory) throws(Errno) -> [Entry] {
        var found: [Entry] = []
        var next: IPAddress? = first
        while let first = next, first <= last {
            let page = AddressBitmap.page(of: first)
            let end = AddressBitmap.endOfPage(first, last)
            let bytes = try directory.read(AddressTable.name(of: page), from: 0, count: AddressTable.fileSize)
            guard bytes.count >= AddressBitmap.pageSize else { break }
            for index in AddressBitmap.index(of: first)...AddressBitmap.index(of: end) where AddressBitmap.isSet(bytes, index) {
                found.append(AddressTable.entry(bytes, page, index))
            }
            next = end.next
        }
        return found
    }

    /// The addresses that the table has reserved and `taken` has not, or the other way around. `names` are all that are in the directory.
    func disagreements(with taken: AddressBitmap, names: [String], in directory: borrowing Directory) throws(Errno) -> [String] {
        let stored = names.filter { $0.hasPrefix(AddressTable.prefix) }.compactMap {
            IPAddress(String($0.dropFirst(AddressTable.prefix.count)))
        }
        var found: [String] = []
        for page in Set(stored).union(taken.pages.keys).sorted() {
            var table = AddressTable()
            try table.load(page, directory)
            for index in 0..<65536 {
                let address = AddressBitmap.address(on: page, at: index)
                let isTaken = taken.contains(address)
                if isTaken == table.bitmap.contains(address) { continue }
                found.append("\(address.text): the index calls it \(isTaken ? "free" : "reserved"), the files do not")
            }
        }
        return found
    }

    private mutating func load(_ page: IPAddress, _ directory: borrowing Directory) throws(Errno) {
        if bitmap.pages[page] != nil { return }
        bitmap.load(page, try directory.read(AddressTable.name(of: page), from: 0, count: AddressBitmap.pageSize))
    }

    // MARK: Changing

    /// Notes an address as reserved.
    mutating func insert(_ entry: Entry, in directory: borrowing Directory) throws(Errno) {
        try load(AddressBitmap.page(of: entry.address), directory)
        bitmap.insert(entry.address)
        note(AddressTable.offset(of: entry.address), AddressTable.bytes(entry), entry.address)
        noteBit(entry.address)
    }

    /// Notes an address as free.
    mutating func remove(_ address: IPAddress, in directory: borrowing Directory) throws(Errno) {
        try load(AddressBitmap.page(of: address), directory)
        bitmap.remove(address)
        noteBit(address)
    }

    private mutating func noteBit(_ address: IPAddress) { note(AddressBitmap.index(of: address) >> 3, [bitmap.byte(of: address)], address) }

    private mutating func note(_ offset: Int, _ bytes: [UInt8], _ address: IPAddress) {
        parts[AddressBitmap.page(of: address), default: []].append((offset, bytes))
    }

    /// Writes what has changed.
    mutating func flush(to directory: borrowing Directory) throws(Errno) {
        for (page, parts) in parts { try directory.write(AddressTable.name(of: page), parts, mode: 0o600) }
        parts = [:]
    }

    /// Makes the table hold these, and nothing else. `names` are all that are in the directory.
    mutating func rebuild(_ entries: [Entry], names: [String], in directory: borrowing Directory) throws(Errno) {
        for name in names where name.hasPrefix(AddressTable.prefix) { try directory.remove(name) }
        bitmap = AddressBitmap()
        parts = [:]
        for entry in entries.sorted(by: { $0.address < $1.address }) {
            bitmap.insert(entry.address)
            noteFollowing(AddressTable.offset(of: entry.address), AddressTable.bytes(entry), AddressBitmap.page(of: entry.address))
        }
        for (page, bytes) in bitmap.pages { parts[page, default: []].append((0, bytes)) }
        try flush(to: directory)
    }

    /// As part of the last one where it follows that: a full table is then written at once.
    private mutating func noteFollowing(_ offset: Int, _ bytes: [UInt8], _ page: IPAddress) {
        let count = parts[page]?.count ?? 0
        if let last = parts[page]?.last, last.offset + last.bytes.count == offset {
            parts[page]?[count - 1].bytes += bytes
        } else {
            parts[page, default: []].append((offset, bytes))
        }
    }

    // MARK: Layout

    private static func name(of page: IPAddress) -> String { prefix + Reservation.fileName(of: page) }

    private static func offset(of address: IPAddress) -> Int { AddressBitmap.pageSize + AddressBitmap.index(of: address) * entrySize }

    private static func bytes(_ entry: Entry) -> [UInt8] {
        withUnsafeBytes(of: (Int64(entry.since).littleEndian, entry.owner.littleEndian)) { Array($0) }
    }

    private static func entry(_ bytes: [UInt8], _ page: IPAddress, _ index: Int) -> Entry {
        let address = AddressBitmap.address(on: page, at: index)
        let offset = offset(of: address)
        // A file that ends early was cut by someone: what is not there counts as 0.
        guard offset + entrySize <= bytes.count else { return Entry(address: address, since: 0, owner: 0) }
        return bytes.withUnsafeBytes { raw in
            Entry(
                address: address, since: Int(Int64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: Int64.self))),
                owner: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
        }
    }
}
