import CLinux
import ModuleKit
import Testing

@testable import HostLocalModule

@Suite struct HostLocalFormatTests {
    @Test func filesAreTheReferences() throws {
        let sandbox = try HostLocalSandbox()
        let mask = umask(0)
        umask(mask)
        let sets = try [HostLocalSandbox.set("10.1.0.0/29"), HostLocalSandbox.set("fd00::/64")]
        #expect(try sandbox.add("abc", sets: sets) == ["10.1.0.2/29", "fd00::2/64"])
        #expect(sandbox.content("10.1.0.2") == "abc\r\neth0")
        #expect(sandbox.content("fd00::2") == "abc\r\neth0")
        #expect(sandbox.content("last_reserved_ip.0") == "10.1.0.2")
        #expect(sandbox.content("last_reserved_ip.1") == "fd00::2")
        #expect(sandbox.content("lock")?.isEmpty == true)
        #expect(try FileStatus("\(sandbox.directory)/10.1.0.2").mode == 0o600)
        #expect(try FileStatus("\(sandbox.directory)/last_reserved_ip.0").mode == 0o600)
        #expect(try FileStatus("\(sandbox.directory)/lock").mode == 0o750 & ~mask)
        #expect(try FileStatus(sandbox.directory).mode == 0o755 & ~mask)
        #expect(try FileStatus(sandbox.location.indexDirectory).mode == 0o700)
        #expect(sandbox.names == ["10.1.0.2", "fd00::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"])
    }

    @Test(arguments: [
        ("10.1.0.5", "10.1.0.5"), ("::", "::"), ("::1", "::1"), ("::1:5", "::1:5"), ("::10.1.0.5", "::a01:5"), ("fd00::", "fd00::"),
        ("fd00:0:0:1::1", "fd00:0:0:1::1"), ("fd00:1:0:1:1:1:1:1", "fd00:1:0:1:1:1:1:1"), ("fd00:0:0:1:0:0:1:1", "fd00::1:0:0:1:1"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("::ffff:10.1.0.5", "10.1.0.5"),
    ])
    func fileNames(text: String, name: String) throws {
        let address = try #require(IPAddress(text))
        #expect(Reservation.fileName(of: address) == name)
        #expect(IPAddress(name) == address)
    }

    @Test func owners() {
        func owner(_ text: String) -> Reservation.Owner? { Reservation.owner(of: Array(text.utf8)) }
        #expect(owner("abc\r\neth0") == Reservation.Owner(containerID: "abc", interfaceName: "eth0"))
        #expect(owner(" abc\r\neth0\n") == Reservation.Owner(containerID: "abc", interfaceName: "eth0"))
        #expect(owner("abc\n") == Reservation.Owner(containerID: "abc", interfaceName: nil))
        #expect(owner("abc\r\n") == Reservation.Owner(containerID: "abc", interfaceName: nil))
        #expect(owner("") == nil)
        #expect(owner(" \r\n") == nil)
        #expect(owner("\r") == nil)
    }
}

@Suite struct HostLocalStoreTests {
    private let set = ["10.1.0.0/29"]

    private func sets() throws -> [RangeSet] { try set.map { try HostLocalSandbox.set($0) } }

    @Test func releaseTakesOneAttachmentOnly() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("abc", "eth0", sets: sets())
        try sandbox.add("abc", "eth1", sets: sets())
        try sandbox.add("abcd", "eth0", sets: sets())
        #expect(try sandbox.del("abc") == 1)
        #expect(sandbox.reserved == ["10.1.0.3", "10.1.0.4"])
        #expect(try sandbox.del("abc") == 0)
        #expect(try sandbox.del("unknown") == 0)
        #expect(sandbox.reserved == ["10.1.0.3", "10.1.0.4"])
        #expect(sandbox.content("last_reserved_ip.0") == "10.1.0.4")
    }

    @Test func aMissingDirectoryHoldsNothing() throws {
        let sandbox = try HostLocalSandbox()
        let store = try AddressStore.openExisting(sandbox.location, boot: HostLocalSandbox.boot, notify: { _ in })
        #expect(store == nil)
        #expect(!File.exists(sandbox.dataDirectory))
    }

    @Test func oldFilesCount() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.write("10.1.0.2", "abc\n")
        try sandbox.write("10.1.0.3", "abc")
        let attachment = Attachment(containerID: "abc", interfaceName: "eth0")
        #expect(try sandbox.with { try $0.reservations(of: attachment).old.count } == 2)
        let error = hostLocalError { try sandbox.add("abc", sets: sets()) }
        #expect(error?.message.hasSuffix("has been allocated to abc, duplicate allocation is not allowed") == true)
        #expect(try sandbox.add("other", sets: sets()) == ["10.1.0.4/29"])
        #expect(try sandbox.del("abc") == 2)
        #expect(sandbox.reserved == ["10.1.0.4"])
    }

    @Test func oldFilesGoOnlyWhereThereAreNoOthers() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.write("10.1.0.2", "abc")
        try sandbox.write("10.1.0.3", "abc\r\neth0")
        #expect(try sandbox.del("abc") == 1)
        #expect(sandbox.reserved == ["10.1.0.2"])
    }

    @Test func collectsGarbage() throws {
        let sandbox = try HostLocalSandbox()
        for container in ["a", "b", "c"] { try sandbox.add(container, sets: sets()) }
        try sandbox.write("10.1.0.5", "old")
        try sandbox.write("10.1.0.6", "gone")
        try sandbox.write("10.1.0.7", "")
        let valid = [
            Attachment(containerID: "a", interfaceName: "eth0"), Attachment(containerID: "b", interfaceName: "eth9"),
            Attachment(containerID: "old", interfaceName: "eth0"),
        ]
        #expect(try sandbox.with { try $0.releaseAll(except: valid) } == 4)
        #expect(sandbox.reserved == ["10.1.0.2", "10.1.0.5"])
        #expect(sandbox.index == ["a:eth0": "10.1.0.2", "old": "10.1.0.5"])
        #expect(sandbox.content("last_reserved_ip.0") == "10.1.0.4")
    }

    @Test func whatIsNoReservationIsLeftAlone() throws {
        let sandbox = try HostLocalSandbox()
        try File.makeDirectories("\(sandbox.directory)/10.1.0.2", mode: 0o755)
        try sandbox.write("notes", "abc\r\neth0")
        try sandbox.write("10.1.0.3", String(repeating: "x", count: 100_000))
        #expect(try sandbox.add("abc", sets: sets()) == ["10.1.0.4/29"])
        #expect(try sandbox.del("abc") == 1)
        #expect(sandbox.content("notes") == "abc\r\neth0")
        #expect(sandbox.reserved == ["10.1.0.2", "10.1.0.3"])
    }

    @Test func aLeftTemporaryFileIsNotWrittenTo() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.write("10.1.0.2", "abc\r\neth0")
        #expect(link("\(sandbox.directory)/10.1.0.2", "\(sandbox.directory)/.reservation") == 0)
        #expect(try sandbox.add("new", sets: sets()) == ["10.1.0.3/29"])
        #expect(sandbox.content("10.1.0.2") == "abc\r\neth0")
        #expect(sandbox.content(".reservation") == nil)
    }

    @Test func anEmptyFileHoldsItsAddressUntilTheNextBoot() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.write("10.1.0.2", "")
        #expect(try sandbox.add("a", sets: sets()) == ["10.1.0.3/29"])
        #expect(sandbox.notices.map { $0.isWarning } == [true])
        #expect(sandbox.notices.first?.text.contains("10.1.0.2 names no container") == true)
        try sandbox.write("10.1.0.6", "", age: 2 * 86400)
        try sandbox.add("b", sets: sets(), boot: HostLocalSandbox.nextBoot)
        #expect(sandbox.content("10.1.0.6") == nil)
        #expect(sandbox.content("10.1.0.2")?.isEmpty == true, "made in this boot")
    }
}

@Suite struct HostLocalIndexTests {
    private func sets() throws -> [RangeSet] { try [HostLocalSandbox.set("10.1.0.0/24"), HostLocalSandbox.set("fd00::/64")] }

    @Test func followsAddAndDel() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("a", sets: sets())
        try sandbox.add("b", "net1", sets: sets())
        #expect(sandbox.index == ["a:eth0": "10.1.0.2,fd00::2", "b:net1": "10.1.0.3,fd00::3"])
        try sandbox.del("a")
        #expect(sandbox.index == ["b:net1": "10.1.0.3,fd00::3"])
    }

    /// Whether the index is used is seen by what it hides: a file changed in place, which leaves the directory's time alone.
    @Test func savesReading() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("a", sets: sets())
        try File.write("z", to: "\(sandbox.directory)/10.1.0.2")
        let count = try sandbox.with { try $0.reservations(of: Attachment(containerID: "z", interfaceName: "eth0")).present.count }
        #expect(count == 0)
        #expect(try sandbox.del("a") == 1, "a link that does not fit makes all files be read")
        #expect(sandbox.reserved == ["10.1.0.2"])
    }

    @Test func isBuiltAnewWhenSomeoneElseWrote() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("a", sets: sets())
        try sandbox.write("10.1.0.99", "foreign\r\neth0")
        try sandbox.remove("10.1.0.2")
        try sandbox.add("b", sets: sets())
        #expect(sandbox.index == ["a:eth0": "fd00::2", "b:eth0": "10.1.0.3,fd00::3", "foreign:eth0": "10.1.0.99"])
        #expect(try sandbox.del("foreign") == 1)
        #expect(try sandbox.del("a") == 1)
    }

    @Test func isBuiltAnewAfterACrash() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("a", sets: sets())
        do {
            let store = try AddressStore.open(sandbox.location, boot: HostLocalSandbox.boot, notify: { _ in })
            let address = try #require(IPAddress("10.1.0.50"))
            #expect(try store.reserve(address, for: Attachment(containerID: "crash", interfaceName: "eth0")))
            // No finish(): the process died here, before its link, had that come later.
            try File.remove("\(sandbox.location.indexDirectory)/crash:eth0")
        }
        #expect(try sandbox.del("crash") == 1)
        #expect(sandbox.reserved == ["10.1.0.2", "fd00::2"])
    }

    @Test func worksWithout() throws {
        let sandbox = try HostLocalSandbox()
        try File.makeDirectories(sandbox.dataDirectory, mode: 0o755)
        try File.replace("\(sandbox.dataDirectory)/.catena", with: [])
        try sandbox.add("a", sets: sets())
        #expect(hostLocalError { try sandbox.add("a", sets: sets()) } != nil)
        #expect(try sandbox.del("a") == 2)
        try sandbox.add("a", sets: sets(), boot: nil)
        #expect(try sandbox.del("a", boot: nil) == 2)
    }

    @Test func namesThatCannotBeFilesAreLeftOut() throws {
        let long = String(repeating: "c", count: 300)
        let sandbox = try HostLocalSandbox()
        try sandbox.write("10.1.0.99", "../x\r\neth0")
        try sandbox.add(long, sets: sets())
        #expect(hostLocalError { try sandbox.add(long, sets: sets()) } != nil)
        #expect(sandbox.index.isEmpty)
        #expect(try sandbox.del(long) == 2)
    }
}

@Suite struct HostLocalBootTests {
    private func sets() throws -> [RangeSet] { try [HostLocalSandbox.set("10.1.0.0/29")] }

    @Test func aBootFreesAllThatWasReservedBefore() throws {
        let sandbox = try HostLocalSandbox()
        for container in ["a", "b", "c", "d", "e"] { try sandbox.add(container, sets: sets()) }
        #expect(hostLocalError { try sandbox.add("f", sets: sets()) } != nil)
        // The files are newer than the new boot's start, as after a clock that went wrong: the mark alone tells that they are old.
        #expect(try sandbox.add("a", sets: sets(), boot: HostLocalSandbox.nextBoot) == ["10.1.0.2/29"])
        #expect(sandbox.reserved == ["10.1.0.2"])
        #expect(sandbox.notices.map { $0.text } == ["freed 5 addresses in \(sandbox.directory) that were reserved before this boot"])
        try sandbox.add("b", sets: sets(), boot: HostLocalSandbox.nextBoot)
        #expect(sandbox.reserved == ["10.1.0.2", "10.1.0.3"])
    }

    @Test func whatTheReferenceReservedInThisBootStays() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("a", sets: sets())
        try sandbox.setAge("10.1.0.2", 2 * 3600)
        try sandbox.write("10.1.0.3", "reference\r\neth0", age: 60)
        #expect(try sandbox.add("b", sets: sets(), boot: HostLocalSandbox.nextBoot) == ["10.1.0.4/29"])
        #expect(sandbox.reserved == ["10.1.0.3", "10.1.0.4"])
    }

    @Test func aNodeThatMovesOverKeepsItsContainers() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.write("10.1.0.2", "live\r\neth0", age: 1800)
        try sandbox.write("10.1.0.3", "dead\r\neth0", age: 7200)
        #expect(try sandbox.add("a", sets: sets(), boot: HostLocalSandbox.nextBoot) == ["10.1.0.3/29"])
        #expect(sandbox.content("10.1.0.2") == "live\r\neth0")
        #expect(sandbox.content("10.1.0.3") == "a\r\neth0")
    }

    @Test func aContainersOwnBootIDProvesNothing() throws {
        let sandbox = try HostLocalSandbox()
        let unknown = Boot(id: nil, start: HostLocalSandbox.nextBoot.start)
        try sandbox.add("a", sets: sets())
        #expect(try sandbox.add("b", sets: sets(), boot: unknown) == ["10.1.0.3/29"])
        #expect(try sandbox.add("c", sets: sets()) == ["10.1.0.4/29"])
        #expect(try sandbox.add("d", sets: sets(), boot: unknown) == ["10.1.0.5/29"])
        #expect(sandbox.index.count == 4)
        try sandbox.setAge("10.1.0.3", 7200)
        try sandbox.with(boot: HostLocalSandbox.nextBoot) { _ in }
        #expect(sandbox.reserved == ["10.1.0.2", "10.1.0.4", "10.1.0.5"])
    }

    @Test func withoutABootNothingIsFreed() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.write("10.1.0.2", "a\r\neth0", age: 10 * 86400)
        #expect(try sandbox.add("b", sets: sets(), boot: nil) == ["10.1.0.3/29"])
        #expect(sandbox.reserved == ["10.1.0.2", "10.1.0.3"])
    }

    @Test func theRunningBootIsKnown() throws {
        let boot = try Boot.current()
        #expect(boot.id?.utf8.count == 36)
        #expect(boot.start < Timestamp.now)
        #expect(try boot.start <= FileStatus("/sys").modified)
    }
}

@Suite struct HostLocalTableTests {
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func entry(_ text: String, since: Int = 1, owner: UInt64 = 7) throws -> AddressTable.Entry {
        AddressTable.Entry(address: try address(text), since: since, owner: owner)
    }

    @Test func bitmapFindsTheFirstFree() throws {
        var bitmap = AddressBitmap()
        #expect(try bitmap.firstFree(from: address("10.1.0.2"), through: address("10.1.0.9")) == address("10.1.0.2"))
        for last in 2...9 { bitmap.insert(try address("10.1.0.\(last)")) }
        #expect(try bitmap.firstFree(from: address("10.1.0.2"), through: address("10.1.0.9")) == nil)
        #expect(try bitmap.firstFree(from: address("10.1.0.2"), through: address("10.1.0.10")) == address("10.1.0.10"))
        bitmap.remove(try address("10.1.0.7"))
        #expect(try bitmap.firstFree(from: address("10.1.0.2"), through: address("10.1.0.9")) == address("10.1.0.7"))
        #expect(try bitmap.contains(address("10.1.0.6")) && !bitmap.contains(address("10.1.0.7")) && !bitmap.contains(address("fd00::6")))
    }

    @Test(arguments: [("10.1.255.254", "10.2.0.1"), ("fd00::fffe", "fd00::1:1"), ("fd00::ffff:ffff:ffff:fffe", "fd00:0:0:1::1")])
    func goesOnOverTheEndOfAPage(first: String, free: String) throws {
        var bitmap = AddressBitmap()
        var next = try address(first)
        while try next < address(free) {
            bitmap.insert(next)
            next = try #require(next.next)
        }
        let far = try #require(try address(free).next)
        #expect(try bitmap.firstFree(from: address(first), through: far) == address(free))
        #expect(try bitmap.firstFree(from: address(first), through: #require(try address(free).previous)) == nil)
    }

    @Test func theLastAddressesOfAll() throws {
        var bitmap = AddressBitmap()
        for text in ["255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
            #expect(try bitmap.firstFree(from: address(text), through: address(text)) == address(text))
            bitmap.insert(try address(text))
            #expect(try bitmap.firstFree(from: address(text), through: address(text)) == nil)
        }
    }

    @Test func isKeptInFiles() throws {
        let sandbox = try HostLocalSandbox()
        try File.makeDirectories(sandbox.directory, mode: 0o700)
        let directory = try Directory(sandbox.directory)
        var table = AddressTable()
        let entries = try [entry("10.1.0.2", since: 5), entry("10.1.0.3", since: -4, owner: UInt64.max), entry("fd00::1:2")]
        for entry in entries { try table.insert(entry, in: directory) }
        try table.insert(entry("10.1.0.9"), in: directory)
        try table.remove(address("10.1.0.9"), in: directory)
        #expect(sandbox.names.isEmpty, "nothing is written before")
        try table.flush(to: directory)
        #expect(sandbox.names == [".taken-10.1.0.0", ".taken-fd00::1:0"])
        var other = AddressTable()
        #expect(try other.firstFree(from: address("10.1.0.2"), through: address("10.1.0.9"), in: directory) == address("10.1.0.4"))
        #expect(try other.entries(from: address("10.1.0.1"), through: address("10.1.0.254"), in: directory) == Array(entries[..<2]))
        #expect(try other.entries(from: address("fd00::1:0"), through: address("fd00::1:ffff"), in: directory) == Array(entries[2...]))
    }

    @Test func rebuildForgetsAllElse() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.write(".taken-10.9.0.0", "x")
        try sandbox.write(".taken-10.1.0.0", String(repeating: "x", count: 9000))
        let directory = try Directory(sandbox.directory)
        var table = AddressTable()
        let entries = try [entry("10.1.0.3"), entry("10.1.0.2"), entry("10.1.0.200")]
        try table.rebuild(entries, names: sandbox.names, in: directory)
        #expect(sandbox.names == [".taken-10.1.0.0"])
        let found = try AddressTable().entries(from: address("10.1.0.0"), through: address("10.1.255.255"), in: directory)
        #expect(found == [entries[1], entries[0], entries[2]])
    }

    @Test func aCutFileIsNoHarm() throws {
        let sandbox = try HostLocalSandbox()
        try File.makeDirectories(sandbox.directory, mode: 0o700)
        try File.replace("\(sandbox.directory)/.taken-10.1.0.0", with: [0x04])
        let directory = try Directory(sandbox.directory)
        var table = AddressTable()
        #expect(try table.firstFree(from: address("10.1.0.2"), through: address("10.1.0.9"), in: directory) == address("10.1.0.3"))
        #expect(try table.entries(from: address("10.1.0.2"), through: address("10.1.0.9"), in: directory).isEmpty)
        try File.replace("\(sandbox.directory)/.taken-10.1.0.0", with: [0x04] + [UInt8](repeating: 0, count: 8191))
        #expect(
            try AddressTable().entries(from: address("10.1.0.2"), through: address("10.1.0.9"), in: directory)
                == [entry("10.1.0.2", since: 0, owner: 0)])
    }

    /// Somebody removes a file while an operation of ours holds the lock: its stamp hides that from the index.
    @Test func aRemovalThatWentUnnoticedCostsNoAddress() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/29")]
        for container in ["a", "b", "c", "d"] { try sandbox.add(container, sets: sets) }
        try sandbox.with { store in
            try sandbox.remove("10.1.0.3")
            #expect(try store.reserve(address("10.1.0.6"), for: Attachment(containerID: "e", interfaceName: "eth0")))
        }
        #expect(try sandbox.add("f", sets: sets) == ["10.1.0.3/29"])
        try sandbox.with { _ in }
        #expect(sandbox.index["b:eth0"] == nil && sandbox.index["f:eth0"] == "10.1.0.3")
        #expect(hostLocalError { try sandbox.add("g", sets: sets) }?.details.hasPrefix("5 of 5 are reserved, by 5 attachments") == true)
    }

    /// The other way around: an address that the index calls free has a file.
    @Test func aFileThatWentUnnoticedIsNotGivenAgain() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/29")]
        try sandbox.with { store in
            #expect(try store.reserve(address("10.1.0.2"), for: Attachment(containerID: "a", interfaceName: "eth0")))
            try sandbox.write("10.1.0.3", "b\r\neth0")
        }
        #expect(try sandbox.add("c", sets: sets) == ["10.1.0.4/29"])
        #expect(try sandbox.del("b") == 1)
    }

    @Test func whatIsNoFileIsNotTriedAgain() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/29")]
        try File.makeDirectories("\(sandbox.directory)/10.1.0.2", mode: 0o755)
        #expect(try sandbox.add("a", sets: sets, boot: Boot.current()) == ["10.1.0.3/29"])
        #expect(
            try Inspection(network: "net", configurations: [], cniVersion: "", dataDirectory: sandbox.dataDirectory).findings().map {
                $0.kind
            } == [.foreign])
    }

    @Test func damagedFilesHoldTheirAddress() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/29")]
        try sandbox.write("10.1.0.2", String(repeating: "\0", count: 12))
        try sandbox.write("10.1.0.3", "c\u{1}\r\neth0")
        try sandbox.write("10.1.0.4", "")
        #expect(try sandbox.add("a", sets: sets) == ["10.1.0.5/29"])
        #expect(sandbox.notices.count == 3 && sandbox.notices.allSatisfy { $0.isWarning && $0.text.contains("names no container") })
        #expect(try sandbox.add("b", sets: sets) == ["10.1.0.6/29"])
        let details = hostLocalError { try sandbox.add("z", sets: sets) }?.details
        #expect(details?.hasPrefix("5 of 5 are reserved, by 2 attachments; oldest first: 10.1.0.2 by nobody known since ") == true)
        #expect(try sandbox.with { try $0.releaseAll(except: [Attachment(containerID: "a", interfaceName: "eth0")]) } == 4)
        #expect(sandbox.reserved == ["10.1.0.5"])
    }
}

@Suite struct HostLocalInspectionTests {
    private func inspect(_ sandbox: HostLocalSandbox, _ ranges: String = #"[[{"subnet":"10.1.0.0/29"}]]"#) throws -> Inspection {
        let config = try JSON(parsing: #"{"ipam":{"type":"host-local","dataDir":"\#(sandbox.dataDirectory)","ranges":\#(ranges)}}"#)
        return try Inspection(network: "net", configurations: [ConfigReader(#require(config.object))], cniVersion: "1.0.0")
    }

    @Test func tellsWhatIsHeld() throws {
        let sandbox = try HostLocalSandbox()
        #expect(try inspect(sandbox).held().isEmpty && inspect(sandbox).findings().isEmpty)
        try sandbox.add("a", sets: [HostLocalSandbox.set("10.1.0.0/29")], boot: Boot.current())
        try sandbox.write("10.1.0.9", "old")
        let held = try inspect(sandbox).held()
        #expect(held.map { $0.owner } == ["a eth0", "old"] && held.allSatisfy { !$0.isOfEarlierBoot })
        let pool = try #require(try inspect(sandbox).pools(held).first)
        #expect(pool.capacity == 5 && pool.held.count == 1 && pool.free == 4)
    }

    @Test func findsWhatIsWrong() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("a", sets: [HostLocalSandbox.set("10.1.0.0/29")], boot: Boot.current())
        #expect(try inspect(sandbox).findings().isEmpty)
        try sandbox.write("10.1.0.3", "a\r\neth0")
        try sandbox.write("10.1.0.4", "")
        try sandbox.write("10.1.0.1", "g\r\neth0")
        try sandbox.write("10.9.0.1", "f\r\neth0")
        try sandbox.write("FD00::1", "six\r\neth0")
        try sandbox.write("notes", "x")
        try sandbox.write(".reservation", "x")
        try sandbox.write("last_reserved_ip.0", "10.9.0.1")
        try sandbox.write("last_reserved_ip.3", "10.1.0.2")
        let found = try inspect(sandbox).findings()
        #expect(
            found.map { $0.kind.rawValue }.sorted() == [
                "duplicate", "duplicate", "foreign", "leftover", "order", "order", "outOfRange", "outOfRange", "outOfRange", "torn",
            ])
        #expect(found.filter { $0.isWarning }.count == 3)
        #expect(found.contains { $0.text.contains("a eth0 holds 10.1.0.2 and 10.1.0.3, both of range set 0") })
    }

    @Test func findsAnIndexThatLies() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("a", sets: [HostLocalSandbox.set("10.1.0.0/29")], boot: Boot.current())
        try File.write("z", to: "\(sandbox.directory)/10.1.0.2")
        try File.replace("\(sandbox.location.indexDirectory)/.taken-10.1.0.0", with: [0x10])
        let found = try inspect(sandbox).findings()
        #expect(found.allSatisfy { $0.kind == .index } && found.count == 4)
        #expect(found.contains { $0.text.contains("10.1.0.4: the index calls it reserved, the files do not") })
        #expect(found.contains { $0.text.contains("10.1.0.2: the index calls it free, the files do not") })
    }

    @Test func releasesOnlyWhatWasSeen() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/29")]
        for container in ["a", "b"] { try sandbox.add(container, sets: sets, boot: Boot.current()) }
        let held = try inspect(sandbox).held()
        try sandbox.write("10.1.0.3", "c\r\neth0")
        #expect(try inspect(sandbox).release(held, warn: { _ in }).map { $0.owner } == ["a eth0"])
        #expect(sandbox.reserved == ["10.1.0.3"] && sandbox.index == ["c:eth0": "10.1.0.3"])
    }
}
