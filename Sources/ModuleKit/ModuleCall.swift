import CLinux
import CNI
import CatenaABI
import JSON
import ModuleABI
import Namespace
import Netlink

/// One operation that the host asks of a module: what `catena_call` holds, and the host's services, in Swift.
///
/// It is valid until the module's function returns: don't keep it.
public final class ModuleCall {
    /// How much a line of the log matters.
    public enum LogLevel: UInt32, Sendable {
        case debug = 1
        case info = 2
        case warning = 3
        case error = 4
    }

    private let raw: UnsafePointer<catena_call>
    private let host: UnsafePointer<catena_host>
    private var sockets: (host: NetlinkSocket?, container: NetlinkSocket?, netfilter: NetlinkSocket?) = (nil, nil, nil)

    /// The operation.
    public let operation: Operation
    /// The network's name.
    public let network: String
    /// CNI_CONTAINERID; empty for GC and STATUS.
    public let containerID: String
    /// CNI_IFNAME; empty for GC and STATUS.
    public let interfaceName: String
    /// CNI_NETNS; empty where there is none.
    public let netns: String
    /// The network namespace, open; nil where it does not exist. The host owns it.
    public let netnsDescriptor: Int32?
    /// The configuration's CNI version.
    public let cniVersion: String
    /// This plugin's configuration; an IPAM module's own keys are in the member `ipam`.
    public let config: ConfigReader
    /// ADD: the result of the plugin before. DEL and CHECK: the result of the whole chain. Nil where there is none.
    public let previousResult: CNIResult?
    /// GC: the attachments in use.
    public let validAttachments: [Attachment]

    /// Reads the call. Throws where the configuration can't be decoded.
    init(_ raw: UnsafePointer<catena_call>, host: UnsafePointer<catena_host>) throws(CNIError) {
        self.raw = raw
        self.host = host
        let call = raw.pointee
        guard let operation = Operation(rawValue: call.operation) else { throw CNIError("unknown operation \(call.operation)") }
        self.operation = operation
        network = String(cString: call.network)
        containerID = String(cString: call.container_id)
        interfaceName = String(cString: call.ifname)
        netns = String(cString: call.netns)
        netnsDescriptor = call.netns_fd >= 0 ? call.netns_fd : nil
        cniVersion = String(cString: call.cni_version)
        config = ConfigReader(try ModuleCall.decode(String(cString: call.config)))
        previousResult = try ModuleCall.read(call.prev_result)
        var attachments: [Attachment] = []
        for index in 0..<Int(call.valid_attachment_count) {
            guard let item = call.valid_attachments?[index] else { continue }
            attachments.append(
                Attachment(containerID: String(cString: item.pointee.container_id), interfaceName: String(cString: item.pointee.ifname)))
        }
        validAttachments = attachments
    }

    private static func decode(_ text: String) throws(CNIError) -> JSONObject {
        do throws(JSONError) {
            if let object = try JSON(parsing: text).object { return object }
        } catch {
            throw CNIError(.decodingFailure, "decode configuration: \(error.text)")
        }
        throw CNIError(.decodingFailure, "decode configuration: expected an object")
    }

    private static func read(_ result: UnsafePointer<catena_result>?) throws(CNIError) -> CNIResult? {
        guard let result else { return nil }
        return try ResultStructs.read(result)
    }

    /// CNI_ARGS as it is.
    public var argumentText: String { String(cString: raw.pointee.args) }

    /// CNI_ARGS, split.
    public func arguments() throws(CNIError) -> CNIArguments { try CNIArguments(argumentText) }

    /// This attachment's identity.
    public var attachment: Attachment { Attachment(containerID: containerID, interfaceName: interfaceName) }

    // MARK: Services

    /// Writes a line to the host's log.
    public func log(_ level: LogLevel, _ message: String) { host.pointee.log(raw, level.rawValue, message) }

    /// Runs ADD of another plugin, module or executable. When it fails, the host has run its DEL.
    ///
    /// - Parameter config: the configuration it gets; nil for this plugin's own, which is what IPAM plugins expect.
    public func delegateAdd(_ type: String, config: JSONObject? = nil) throws(CNIError) -> CNIResult {
        var result: UnsafePointer<catena_result>?
        let text = config.map { JSON.object($0).text() }
        guard host.pointee.delegate(raw, type, UInt32(CATENA_ADD), text, &result) == 0 else { throw failure() }
        return try ModuleCall.read(result) ?? CNIResult()
    }

    /// Runs another operation than ADD of another plugin.
    public func delegate(_ type: String, _ operation: Operation, config: JSONObject? = nil) throws(CNIError) {
        let text = config.map { JSON.object($0).text() }
        guard host.pointee.delegate(raw, type, operation.rawValue, text, nil) == 0 else { throw failure() }
    }

    /// The netlink socket of the host's namespace.
    public func hostNetlink() throws(CNIError) -> NetlinkSocket {
        if let socket = sockets.host { return socket }
        let socket = try openNetlink(container: 0)
        sockets.host = socket
        return socket
    }

    /// The netlink socket of the container's namespace.
    public func containerNetlink() throws(CNIError) -> NetlinkSocket {
        if let socket = sockets.container { return socket }
        let socket = try openNetlink(container: 1)
        sockets.container = socket
        return socket
    }

    /// A socket of netfilter in the host's namespace, for questions that the host has no service for.
    public func netfilter() throws(CNIError) -> NetlinkSocket {
        if let socket = sockets.netfilter { return socket }
        let socket = try attempt(try NetlinkSocket.open(protocol: NETLINK_NETFILTER))
        sockets.netfilter = socket
        return socket
    }

    private func openNetlink(container: UInt32) throws(CNIError) -> NetlinkSocket {
        let descriptor = host.pointee.netlink(raw, container)
        guard descriptor >= 0 else { throw failure() }
        return NetlinkSocket(borrowing: descriptor)
    }

    /// The network namespace, open. Throws where it does not exist: for operations that can't do without.
    public func requireNetns() throws(CNIError) -> Int32 {
        guard let netnsDescriptor else {
            throw CNIError(.invalidNetns, "open network namespace \(netns.isEmpty ? "(CNI_NETNS is empty)" : netns): it does not exist")
        }
        return netnsDescriptor
    }

    /// Runs `body` with the thread in the container's network namespace.
    public func inContainer<T>(_ body: () throws(CNIError) -> T) throws(CNIError) -> T {
        try NetworkNamespace.with(fd: try requireNetns(), body)
    }

    /// Adds commands in nft syntax to the chain's one transaction. Every word of `commands` must have been checked or built.
    public func queueNft(_ commands: String, purpose: String) throws(CNIError) {
        guard try nft().pointee.queue(raw, commands, purpose) == 0 else { throw failure() }
    }

    /// Adds changes of single elements to the chain's one transaction: where it has nothing else, it costs next to nothing.
    public func queueNft(_ changes: [NftChange], purpose: String) throws(CNIError) {
        let nft = try nft()
        let arena = Arena()
        for change in changes {
            // A host of the first release takes text only.
            let takesChanges = nft.pointee.size >= UInt32(MemoryLayout<catena_nft>.size)
            let status =
                takesChanges
                ? nft.pointee.change(raw, NftStructs.write(change, into: arena), purpose) : nft.pointee.queue(raw, change.command, purpose)
            guard status == 0 else { throw failure() }
        }
    }

    /// Runs a listing nft command at once: its cost grows with what it lists. Nil where what it asks for does not exist.
    public func queryNft(_ command: String) throws(CNIError) -> JSON? {
        var text: UnsafePointer<CChar>?
        let status = try nft().pointee.query(raw, command, &text)
        if status == CATENA_NFT_ABSENT { return nil }
        guard status == 0 else { throw failure() }
        guard let text else { return nil }
        do throws(JSONError) {
            return try JSON(parsing: String(cString: text))
        } catch {
            throw CNIError("decode output of nft \(command): \(error.text)")
        }
    }

    /// Whether an nftables chain exists, at a cost that does not grow with the ruleset.
    public func hasNftChain(family: String, table: String, chain: String) throws(CNIError) -> Bool {
        let status = try nft().pointee.has_chain(raw, family, table, chain)
        if status == CATENA_NFT_ABSENT { return false }
        guard status == 0 else { throw failure() }
        return true
    }

    /// The comment and value of an element of a set or map of the table `catena`; nil where there is none of this key.
    public func nftElement(_ family: NftFamily, set: String, key: [UInt8]) throws(CNIError) -> (comment: String?, data: [UInt8]?)? {
        var element: UnsafePointer<catena_nft_element>?
        let status = try nft().pointee.element(raw, family.rawValue, NftTable.name, set, key, UInt32(key.count), &element)
        if status == CATENA_NFT_ABSENT { return nil }
        guard status == 0, let found = element?.pointee else { throw failure() }
        let data = found.data.map { Array(UnsafeBufferPointer(start: $0, count: Int(found.data_length))) }
        return (found.comment.map { String(cString: $0) }, data)
    }

    /// Commits what the chain has queued so far: on DEL and GC, before links are deleted and addresses released; on ADD only where what
    /// follows needs the rules in force.
    public func commitNft() throws(CNIError) {
        guard try nft().pointee.commit(raw) == 0 else { throw failure() }
    }

    private func nft() throws(CNIError) -> UnsafePointer<catena_nft> {
        guard let table = host.pointee.extension(raw, CATENA_NFT) else { throw CNIError("the host has no service \(CATENA_NFT)") }
        return table.assumingMemoryBound(to: catena_nft.self)
    }

    // MARK: Links to delete

    /// DEL and GC: has a link of the host deleted, which must be this module's, with those of the chain's other modules: by
    /// ``deleteQueuedLinks()``, or when all modules are done. One that is gone by then is no error. A host that has no such service deletes
    /// nothing: then it is deleted at once.
    public func queueLinkDeletion(of link: LinkInfo) throws(CNIError) {
        guard let links = links() else {
            let socket = try hostNetlink()
            try attempt(try socket.deleteLinks([(link.index, link.name)]))
            return
        }
        guard links.pointee.queue_delete(raw, link.index, link.name) == 0 else { throw failure() }
    }

    /// Whether links wait to be deleted.
    public var hasQueuedLinks: Bool { links().map { $0.pointee.queued(raw) > 0 } ?? false }

    /// Deletes the queued links now, all in one message: before their addresses are released.
    public func deleteQueuedLinks() throws(CNIError) {
        guard let links = links() else { return }
        guard links.pointee.delete_queued(raw) == 0 else { throw failure() }
    }

    private func links() -> UnsafePointer<catena_links>? {
        host.pointee.extension(raw, CATENA_LINKS)?.assumingMemoryBound(to: catena_links.self)
    }

    /// What the host says went wrong in its last service.
    private func failure() -> CNIError {
        var code: UInt32 = 0
        var message: UnsafePointer<CChar>?
        var details: UnsafePointer<CChar>?
        guard host.pointee.failure(raw, &code, &message, &details) == 0 else { return CNIError("a host service failed without a reason") }
        return CNIError(
            CNIError.Code(rawValue: code), message.map { String(cString: $0) } ?? "", details: details.map { String(cString: $0) } ?? "")
    }
}
