import CLinux
import CNI
import CatenaABI
import JSON
import ModuleABI
import Namespace
import Netlink
import Nftables

/// What `catena_call.host_data` points to: the services of the tables, in Swift.
///
/// Each returns what the C function returns; a failure has been stated with ``fail(_:)`` before.
final class HostData {
    private let invocation: ModuleInvocation
    let nft: UnsafeMutablePointer<catena_nft>
    let links: UnsafeMutablePointer<catena_links>

    init(_ invocation: ModuleInvocation, _ nft: UnsafeMutablePointer<catena_nft>, _ links: UnsafeMutablePointer<catena_links>) {
        self.invocation = invocation
        self.nft = nft
        self.links = links
    }

    /// The data of a call; nil where a module passed NULL.
    static func of(_ call: UnsafePointer<catena_call>?) -> HostData? {
        guard let data = call?.pointee.host_data else { return nil }
        return Unmanaged<HostData>.fromOpaque(data).takeUnretainedValue()
    }

    func log(_ level: UInt32, _ message: String) {
        invocation.engine.log.write(
            Logger.Level(rawValue: level) ?? .error, invocation.call.request.fields + [LogField("plugin", invocation.plugin.type)], message)
    }

    func fail(_ error: CNIError) -> Int32 {
        invocation.failure = error
        return 1
    }

    /// Runs `body`; an error it throws becomes the call's failure.
    private func attempt(_ body: () throws(CNIError) -> Int32) -> Int32 {
        do throws(CNIError) { return try body() } catch { return fail(error) }
    }

    func setResult(_ result: UnsafePointer<catena_result>?) -> Int32 {
        attempt { () throws(CNIError) in
            if let result { invocation.result = try ResultStructs.read(result) } else { invocation.result = nil }
            return CATENA_OK
        }
    }

    func delegate(
        _ type: String, _ operation: UInt32, _ config: String?, _ result: UnsafeMutablePointer<UnsafePointer<catena_result>?>?
    ) -> Int32 {
        attempt { () throws(CNIError) in
            guard let operation = Operation(rawValue: operation) else {
                throw CNIError("delegate to \(type): unknown operation \(operation)")
            }
            var object: JSONObject?
            if let config { object = try HostData.decode(config) }
            let answer = try invocation.engine.delegate(type, operation, config: object, from: invocation)
            if operation == .add { result?.pointee = ResultStructs.write(answer ?? CNIResult(), into: invocation.arena) }
            return CATENA_OK
        }
    }

    private static func decode(_ config: String) throws(CNIError) -> JSONObject {
        do throws(JSONError) {
            if let object = try JSON(parsing: config).object { return object }
        } catch {
            throw CNIError(.decodingFailure, "decode a delegate's configuration: \(error.text)")
        }
        throw CNIError(.decodingFailure, "decode a delegate's configuration: expected an object")
    }

    func failure(
        _ code: UnsafeMutablePointer<UInt32>?, _ message: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
        _ details: UnsafeMutablePointer<UnsafePointer<CChar>?>?
    ) -> Int32 {
        guard let failure = invocation.failure else { return 1 }
        code?.pointee = failure.code.rawValue
        message?.pointee = invocation.arena.string(failure.message)
        details?.pointee = invocation.arena.string(failure.details)
        return CATENA_OK
    }

    func netlink(_ container: UInt32) -> Int32 {
        if container != 0 && invocation.call.netnsDescriptor < 0 {
            _ = fail(noNamespace("open a netlink socket in"))
            return -1
        }
        do throws(NetlinkError) {
            return try (container == 0 ? invocation.engine.hostSocket() : invocation.engine.containerSocket()).descriptor
        } catch {
            _ = fail(error.cni)
            return -1
        }
    }

    func allocate(_ bytes: UInt64) -> UnsafeMutableRawPointer? {
        guard let count = Int(exactly: bytes) else { return nil }
        return invocation.arena.allocate(count)
    }

    func inContainer(_ body: (@convention(c) (UnsafeMutableRawPointer?) -> Int32)?, _ context: UnsafeMutableRawPointer?) -> Int32 {
        attempt { () throws(CNIError) in
            guard let body else { throw CNIError("in_container was called without a function") }
            guard invocation.call.netnsDescriptor >= 0 else { throw noNamespace("enter") }
            return try NetworkNamespace.with(fd: invocation.call.netnsDescriptor, from: invocation.call.home) { body(context) }
        }
    }

    private func noNamespace(_ operation: String) -> CNIError {
        let path = invocation.call.request.netns
        return CNIError(.invalidNetns, "\(operation) network namespace \(path.isEmpty ? "(CNI_NETNS is empty)" : path): it does not exist")
    }

    // MARK: nftables

    func queue(_ commands: String, _ purpose: String) -> Int32 {
        invocation.engine.queue(commands, purpose: purpose, owner: invocation.plugin.type)
        return CATENA_OK
    }

    func queue(_ change: NftChange?, _ purpose: String) -> Int32 {
        attempt { () throws(CNIError) in
            guard let change, let action = NftElementChange.Action(rawValue: change.action) else {
                throw CNIError("change of an nftables element: action, family, table, set, key and command must be set")
            }
            invocation.engine.queue(
                NftElementChange(
                    action: action, family: change.family, table: change.table, set: change.set, key: change.key,
                    value: try HostData.value(change), comment: change.comment, command: change.command),
                purpose: purpose, owner: invocation.plugin.type)
            return CATENA_OK
        }
    }

    private static func value(_ change: NftChange) throws(CNIError) -> NftElementChange.Value {
        if let object = change.object { return .object(object) }
        guard let text = change.verdict else { return change.data.map { .data($0) } ?? .none }
        guard let verdict = NftVerdict(text) else { throw CNIError("change of an nftables element: unknown verdict \"\(text)\"") }
        return .verdict(verdict)
    }

    func query(_ command: String, _ json: UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> Int32 {
        do throws(NftablesError) {
            guard let answer = try invocation.engine.nftables.query(command) else { return CATENA_NFT_ABSENT }
            json?.pointee = invocation.arena.string(answer)
            return CATENA_OK
        } catch {
            return fail(error.cni)
        }
    }

    func hasChain(_ family: String, _ table: String, _ chain: String) -> Int32 {
        do throws(NftablesError) {
            return try invocation.engine.nftables.hasChain(family: family, table: table, chain: chain) ? CATENA_OK : CATENA_NFT_ABSENT
        } catch {
            return fail(error.cni)
        }
    }

    func element(
        _ family: String, _ table: String, _ set: String, _ key: [UInt8],
        _ element: UnsafeMutablePointer<UnsafePointer<catena_nft_element>?>?
    ) -> Int32 {
        do throws(NftablesError) {
            guard let found = try invocation.engine.nftables.element(family: family, table: table, set: set, key: key) else {
                return CATENA_NFT_ABSENT
            }
            element?.pointee = NftStructs.write(comment: found.comment, data: found.data, into: invocation.arena)
            return CATENA_OK
        } catch {
            return fail(error.cni)
        }
    }

    func commit() -> Int32 {
        attempt { () throws(CNIError) in
            try invocation.engine.commit()
            return CATENA_OK
        }
    }

    // MARK: Links

    func queueLink(_ index: Int32, _ name: String) -> Int32 {
        attempt { () throws(CNIError) in
            let operation = invocation.operation
            guard operation == .del || operation == .gc else {
                throw CNIError("delete link \(name): only DEL and GC can queue it, \(operation.command) has to delete its links itself")
            }
            guard index > 0 else { throw CNIError("delete link \(name): \(index) is no link's index") }
            invocation.engine.queueLink(index: index, name: name)
            return CATENA_OK
        }
    }

    var queuedLinks: UInt32 { UInt32(clamping: invocation.engine.queuedLinks.count) }

    func deleteQueuedLinks() -> Int32 {
        attempt { () throws(CNIError) in
            try invocation.engine.settle()
            return CATENA_OK
        }
    }
}
