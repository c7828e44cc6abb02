import ModuleKit

/// The files of one network's reservations, to read.
struct ReservationFiles: ~Copyable {
    /// The directory that they are in.
    let directory: Directory

    /// Opens the directory of a network.
    init(_ location: StoreLocation) throws(Errno) { directory = try Directory(location.directory) }

    /// The names of files that are addresses, with the address, in no particular order.
    func names() throws(Errno) -> [(name: String, address: IPAddress)] {
        var found: [(name: String, address: IPAddress)] = []
        for name in try directory.names() {
            if let address = IPAddress(name) { found.append((name, address)) }
        }
        return found
    }

    /// Reads the reservations of these names. What is no file is left out.
    func read(_ names: [(name: String, address: IPAddress)]) throws(Errno) -> [Reservation] {
        var found: [Reservation] = []
        for (name, address) in names {
            if let reservation = try read(name, address) { found.append(reservation) }
        }
        return found
    }

    /// Reads a reservation; nil where there is no file of that name. One too long to be a reservation, or that can't be read because the
    /// disk is damaged, has no owner.
    func read(_ name: String, _ address: IPAddress) throws(Errno) -> Reservation? {
        do throws(Errno) {
            let (bytes, status) = try directory.readWithStatus(name)
            return Reservation(name: name, address: address, owner: Reservation.owner(of: bytes), modified: status.modified)
        } catch {
            switch error {
            case .noEntry, .isDirectory: return nil
            case .fileTooLarge, .inputOutput:
                // Without a time it would count as one of an earlier boot.
                let modified = (try? directory.status(of: name))?.modified ?? Timestamp.now
                return Reservation(name: name, address: address, owner: nil, modified: modified)
            default: throw error
            }
        }
    }

    /// Reads the reservation of an address under its usual name; nil where it is free.
    func read(_ address: IPAddress) throws(Errno) -> Reservation? { try read(Reservation.fileName(of: address), address) }

    /// All reservations, in no particular order.
    func readAll() throws(Errno) -> [Reservation] { try read(try names()) }

    /// The address that was last handed out from a range set; nil where none was, or the file is damaged: only the order hangs on it.
    func lastReserved(set: Int) -> IPAddress? {
        guard let bytes = try? directory.read("\(ReservationFiles.lastReservedPrefix)\(set)") else { return nil }
        return IPAddress(String(decoding: bytes, as: UTF8.self))
    }

    /// With the number of a range set: the file of its address that was handed out last.
    static let lastReservedPrefix = "last_reserved_ip."
}
