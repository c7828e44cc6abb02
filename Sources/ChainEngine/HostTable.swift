import CLinux
import CNI
import CatenaABI
import JSON
import ModuleABI
import Namespace
import Netlink
import Nftables

/// The host's side of the C ABI: the tables of services, and the making of a `catena_call`.
///
/// All that is unsafe about calling a module is in this file.
final class HostTable {
    private let host = UnsafeMutablePointer<catena_host>.allocate(capacity: 1)
    private let nft = UnsafeMutablePointer<catena_nft>.allocate(capacity: 1)
    private let links = UnsafeMutablePointer<catena_links>.allocate(capacity: 1)

    init() {
        host.initialize(to: HostTable.makeHost())
        nft.initialize(to: HostTable.makeNft())
        links.initialize(to: HostTable.makeLinks())
    }

    deinit {
        host.deallocate()
        nft.deallocate()
        links.deallocate()
    }

    /// Calls a module's function, and sees to it that the thread is in the host's network namespace afterwards.
    func callAndReturn(
        _ function: @convention(c) (UnsafePointer<catena_call>?) -> Int32, _ invocation: ModuleInvocation
    ) throws(CNIError) -> Int32 {
        let status = call(function, invocation)
        if try invocation.call.home.returnHere() { return status }
        throw CNIError(
            "\(invocation.operation.command) left the thread in another network namespace",
            details: "a fault of the module's: it must go back before it returns, or use in_container")
    }

    /// Calls a module's function with a `catena_call` that lives as long as the invocation's arena. Returns what the module returned.
    func call(_ function: @convention(c) (UnsafePointer<catena_call>?) -> Int32, _ invocation: ModuleInvocation) -> Int32 {
        let request = invocation.call.request
        let arena = invocation.arena
        var raw = catena_call()
        raw.size = UInt32(MemoryLayout<catena_call>.size)
        raw.operation = invocation.operation.rawValue
        raw.host = UnsafePointer(host)
        raw.network = arena.string(request.network)
        raw.container_id = arena.string(request.containerID)
        raw.ifname = arena.string(request.interfaceName)
        raw.netns = arena.string(request.netns)
        raw.args = arena.string(request.arguments)
        raw.path = arena.string(request.path)
        raw.cni_version = arena.string(invocation.cniVersion)
        var config = invocation.plugin.config
        config["cniVersion"] = .string(invocation.cniVersion)
        raw.config = arena.string(JSON.object(config).text())
        if let previous = invocation.previous { raw.prev_result = ResultStructs.write(previous, into: arena) }
        if invocation.operation == .gc {
            let valid = request.validAttachments ?? []
            raw.valid_attachments = AttachmentStructs.write(valid, into: arena)
            raw.valid_attachment_count = UInt32(valid.count)
        }
        raw.netns_fd = invocation.call.netnsDescriptor
        let data = HostData(invocation, nft, links)
        raw.host_data = Unmanaged.passUnretained(data).toOpaque()
        return withExtendedLifetime(data) { withUnsafePointer(to: raw) { function($0) } }
    }

    // MARK: Tables

    private static func makeHost() -> catena_host {
        var host = catena_host()
        host.size = UInt32(MemoryLayout<catena_host>.size)
        host.abi_major = UInt32(CATENA_ABI_MAJOR)
        host.name = cString("catena")
        host.version = cString(CatenaVersion.text)
        host.log = { call, level, message in
            guard let data = HostData.of(call), let message else { return }
            data.log(level, String(cString: message))
        }
        host.fail = { call, code, message, details in
            guard let data = HostData.of(call) else { return 1 }
            return data.fail(
                CNIError(
                    CNIError.Code(rawValue: code), message.map { String(cString: $0) } ?? "",
                    details: details.map { String(cString: $0) } ?? ""))
        }
        host.set_result = { call, result in HostData.of(call)?.setResult(result) ?? 1 }
        host.delegate = { call, type, operation, config, result in
            guard let data = HostData.of(call), let type else { return 1 }
            return data.delegate(String(cString: type), operation, config.map { String(cString: $0) }, result)
        }
        host.failure = { call, code, message, details in HostData.of(call)?.failure(code, message, details) ?? 1 }
        host.netlink = { call, container in HostData.of(call)?.netlink(container) ?? -1 }
        host.allocate = { call, bytes in HostData.of(call)?.allocate(bytes) }
        host.in_container = { call, body, context in HostData.of(call)?.inContainer(body, context) ?? 1 }
        host.extension = { call, name in
            guard let data = HostData.of(call), let name else { return nil }
            if strcmp(name, CATENA_NFT) == 0 { return UnsafeRawPointer(data.nft) }
            return strcmp(name, CATENA_LINKS) == 0 ? UnsafeRawPointer(data.links) : nil
        }
        return host
    }

    private static func makeNft() -> catena_nft {
        var nft = catena_nft()
        nft.size = UInt32(MemoryLayout<catena_nft>.size)
        nft.queue = { call, commands, purpose in
            guard let data = HostData.of(call), let commands else { return 1 }
            return data.queue(String(cString: commands), purpose.map { String(cString: $0) } ?? "")
        }
        nft.query = { call, command, json in
            guard let data = HostData.of(call), let command else { return 1 }
            return data.query(String(cString: command), json)
        }
        nft.has_chain = { call, family, table, chain in
            guard let data = HostData.of(call), let family, let table, let chain else { return 1 }
            return data.hasChain(String(cString: family), String(cString: table), String(cString: chain))
        }
        nft.element = { call, family, table, set, key, length, element in
            guard let data = HostData.of(call), let family, let table, let set, let key else { return 1 }
            let bytes = Array(UnsafeBufferPointer(start: key, count: Int(length)))
            return data.element(String(cString: family), String(cString: table), String(cString: set), bytes, element)
        }
        nft.commit = { call in HostData.of(call)?.commit() ?? 1 }
        nft.change = { call, change, purpose in
            guard let data = HostData.of(call), let change else { return 1 }
            return data.queue(NftStructs.read(change), purpose.map { String(cString: $0) } ?? "")
        }
        return nft
    }

    private static func makeLinks() -> catena_links {
        var links = catena_links()
        links.size = UInt32(MemoryLayout<catena_links>.size)
        links.queue_delete = { call, index, name in
            HostData.of(call)?.queueLink(index, name.map { String(cString: $0) } ?? "number \(index)") ?? 1
        }
        links.queued = { call in HostData.of(call)?.queuedLinks ?? 0 }
        links.delete_queued = { call in HostData.of(call)?.deleteQueuedLinks() ?? 1 }
        return links
    }

    private static func cString(_ text: StaticString) -> UnsafePointer<CChar> {
        UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
