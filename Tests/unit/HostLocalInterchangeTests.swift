import ModuleKit
import Testing

@testable import ChainEngine
@testable import HostLocalModule

private let hostLocalReference = "/usr/lib/cni/host-local"

/// The reference plugin and this module, by turns in one directory.
@Suite(.enabled(if: File.exists(hostLocalReference)))
struct HostLocalInterchangeTests {
    /// Runs the reference; its exit status and output.
    private func run(_ command: String, _ container: String, _ sandbox: HostLocalSandbox, arguments: String = "") throws -> (Int32, String)
    {
        let config = """
            {"cniVersion": "0.4.0", "name": "net", "ipam": {"type": "host-local", "dataDir": "\(sandbox.dataDirectory)",
             "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]}}
            """
        let outcome = try Subprocess.run(
            hostLocalReference,
            environment: [
                "CNI_COMMAND=\(command)", "CNI_CONTAINERID=\(container)", "CNI_NETNS=/x", "CNI_IFNAME=eth0", "CNI_PATH=/usr/lib/cni",
                "CNI_ARGS=\(arguments)",
            ], input: config, timeoutMilliseconds: 20_000)
        return (outcome.status ?? -1, String(decoding: outcome.output, as: UTF8.self))
    }

    private func sets() throws -> [RangeSet] { try [HostLocalSandbox.set("10.1.0.0/24"), HostLocalSandbox.set("fd00::/64")] }

    @Test func addressesGoOnInTurn() throws {
        let sandbox = try HostLocalSandbox()
        #expect(try run("ADD", "r1", sandbox).1.contains("10.1.0.2/24"))
        #expect(try sandbox.add("c1", sets: sets()) == ["10.1.0.3/24", "fd00::3/64"])
        #expect(try run("ADD", "r2", sandbox).1.contains("fd00::4/64"))
        #expect(try sandbox.add("c2", sets: sets()) == ["10.1.0.5/24", "fd00::5/64"])
        #expect(sandbox.content("10.1.0.2") == "r1\r\neth0")
        #expect(sandbox.content("10.1.0.3") == "c1\r\neth0")
    }

    @Test func eachSeesAndReleasesTheOthers() throws {
        let sandbox = try HostLocalSandbox()
        try sandbox.add("c1", sets: sets())
        #expect(try run("CHECK", "c1", sandbox).0 == 0)
        #expect(try run("CHECK", "c2", sandbox).0 == 1)
        let duplicate = try run("ADD", "c1", sandbox)
        #expect(duplicate.0 == 1)
        #expect(duplicate.1.contains("duplicate allocation is not allowed"))
        let taken = try run("ADD", "r9", sandbox, arguments: "IP=10.1.0.2")
        #expect(taken.1.contains("is not available in range set"))
        #expect(try run("DEL", "c1", sandbox).0 == 0)
        #expect(sandbox.reserved.isEmpty)

        #expect(try run("ADD", "r1", sandbox).0 == 0)
        #expect(hostLocalError { try sandbox.add("r1", sets: sets()) }?.message.contains("duplicate allocation") == true)
        #expect(try sandbox.del("r1") == 2)
        #expect(sandbox.reserved.isEmpty)
        #expect(try run("CHECK", "r1", sandbox).0 == 1)
    }

    @Test func bothAtOnce() async throws {
        let sandbox = try HostLocalSandbox()
        let location = sandbox.location
        let data = sandbox.dataDirectory
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    let other = try HostLocalSandbox(dataDirectory: data)
                    for round in 0..<15 {
                        let id = "x\(thread)-\(round)"
                        if thread % 2 == 0 {
                            let (status, text) = try run("ADD", id, other)
                            #expect(status == 0, "\(text)")
                            if round % 3 == 0 { _ = try run("DEL", id, other) }
                        } else {
                            let store = try AddressStore.open(location, boot: HostLocalSandbox.boot, notify: { _ in })
                            defer { store.finish() }
                            let attachment = Attachment(containerID: id, interfaceName: "eth0")
                            _ = try Allocator(sets: try sets(), requested: [], store: store).allocate(for: attachment)
                            if round % 3 == 0 { try store.release(attachment) }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(sandbox.reserved.count == 4 * 10 * 2)
        let owners = sandbox.reserved.compactMap { sandbox.content($0) }
        #expect(Set(owners).count == 40)
        for thread in 0..<4 { for round in 0..<15 { try sandbox.del("x\(thread)-\(round)") } }
        #expect(sandbox.reserved.isEmpty)
        #expect(sandbox.index.isEmpty)
    }
}
