import CLinux
import CNI
import CatenaABI
import JSON
import Linux
import ModuleABI
import Namespace
import Netlink
import Nftables
import State

/// Runs a chain of plugins in this process: modules through the C ABI, the rest as executables.
///
/// One engine serves one CNI operation after the other, on one thread; modules that were opened stay open.
public final class ChainEngine {
    private let directories: ModuleDirectories
    private let isChain: Bool
    private let records: AttachmentRecords?
    private let progress: ChildProgress?
    /// What runs now, a delegate last, and how long it may take.
    private var running: [(what: String, limitMilliseconds: Int)] = []
    private let hostTable = HostTable()
    private var opened: [(type: String, module: LoadedModule)] = []
    /// Where modules were found: nil for nowhere.
    private var files: [(type: String, path: String?)] = []
    private var namespaces: NamespaceSockets?
    /// The host's namespace: the thread's own when the engine first needs it.
    private var home: NetworkNamespace?
    private var trusted = TrustedDirectories()
    private var transaction = NftTransaction()
    /// Links of the host that are to be deleted.
    private(set) var queuedLinks: [(index: Int32, name: String)] = []
    let nftables = Nftables()
    let log: Logger

    /// - Parameters:
    ///   - directories: where modules are looked for.
    ///   - log: where lines of the engine and of modules go.
    ///   - isChain: false where the program runs as one plugin: its errors are then not prefixed with the plugin's name, and DEL after a
    ///     failed ADD is the runtime's business, as it is with any plugin.
    ///   - records: where attachments are recorded; nil for nowhere.
    ///   - progress: where a parent process reads what is being done; nil where there is none.
    public init(
        directories: ModuleDirectories, log: Logger, isChain: Bool, records: AttachmentRecords?, progress: ChildProgress? = nil
    ) {
        self.progress = progress
        self.directories = directories
        self.records = records
        self.log = log
        self.isChain = isChain
    }

    /// Whether there is a record of the request's attachment: DEL then needs no configuration.
    public func hasRecord(of request: ChainRequest) -> Bool {
        ownRecords(of: request)?.read(network: request.network, request.attachment) != nil
    }

    /// Runs the request. ADD returns the chain's result, the other operations nil.
    public func run(_ request: ChainRequest) throws(CNIError) -> CNIResult? {
        try checkNamespace(request)
        switch request.operation {
        case .add:
            return try run(request, recorded: try recorded(request))
        case .del:
            try delete(request)
        case .check: _ = try run(request, recorded: nil)
        case .gc: try collect(request)
        case .status: try status(request)
        case .repair: try repair(request)
        }
        return nil
    }

    /// DEL of what is recorded of the attachment, else of the request's plugins.
    ///
    /// - Parameter steps: how many of the chain's plugins are to be undone: fewer than all where its ADD was cut off.
    public func delete(_ request: ChainRequest, steps: Int = .max) throws(CNIError) {
        let recorded = try recorded(request)
        let deletion = recorded?.deletion(request) ?? request
        var begun = deletion
        begun.plugins = Array(deletion.plugins.prefix(steps))
        _ = try run(begun, recorded: recorded)
        try recorded?.remove(deletion.plugins)
    }

    private func recorded(_ request: ChainRequest) throws(CNIError) -> RecordedAttachment? {
        guard let records = ownRecords(of: request) else { return nil }
        return try RecordedAttachment(records, request)
    }

    /// The records, unless an executable plugin of this very attachment's chain runs us: that chain holds the lock, and the record.
    private func ownRecords(of request: ChainRequest) -> AttachmentRecords? {
        records.flatMap { RecordedAttachment.isNested($0, request) ? nil : $0 }
    }

    /// Refuses a CNI_NETNS that is this process's own, unless CNI_NETNS_OVERRIDE allows it: a plugin would work on the host itself. DEL
    /// then still gives back what it can without a namespace, addresses above all, before it fails.
    private func checkNamespace(_ request: ChainRequest) throws(CNIError) {
        guard request.operation == .add || request.operation == .del, try hostNamespace().isAt(request.netns) else { return }
        let override = (Environment.value("CNI_NETNS_OVERRIDE") ?? "").lowercased()
        if override == "1" || override == "true" { return }
        let error = CNIError(
            .invalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same",
            details: "CNI_NETNS \(request.netns) is the host's own network namespace; CNI_NETNS_OVERRIDE=1 allows it")
        if request.operation == .del {
            var without = request
            without.netns = ""
            do throws(CNIError) { _ = try run(without) } catch let second { throw error.adding([second.text]) }
        }
        throw error
    }

    private func hostNamespace() throws(CNIError) -> NetworkNamespace {
        if let home { return home }
        let own = try NetworkNamespace.current()
        home = own
        return own
    }

    private func run(_ request: ChainRequest, recorded: RecordedAttachment?) throws(CNIError) -> CNIResult? {
        transaction.removeAll()
        queuedLinks.removeAll()
        let steps = try request.plugins.map { (plugin) throws(CNIError) in try step(for: plugin, path: request.path) }
        try findDelegates(of: request.plugins)
        let namespace = try openNamespace(request, steps)
        let home = try hostNamespace()
        namespaces = NamespaceSockets(home: home, container: namespace)
        let call = ChainCall(request: request, home: home, netnsDescriptor: namespace?.fd ?? -1)
        switch request.operation {
        case .add: return try add(steps, call, recorded)
        case .del: try del(steps, call)
        case .check: for step in steps { _ = try run(step, call, .check, request.previousResult) }
        case .gc: try collect(steps, call)
        case .status: for step in steps { _ = try run(step, call, .status, nil) }
        case .repair:
            for step in steps where step.module != nil { _ = try run(step, call, .repair, request.previousResult) }
            try commit()
        }
        return nil
    }

    /// Opens CNI_NETNS. A module that makes interfaces can't do without on ADD and CHECK; DEL copes with a namespace that is gone. For a
    /// chain without such a module (IPAM alone, say) the path may lead nowhere, as it may for the reference plugins.
    private func openNamespace(_ request: ChainRequest, _ steps: [Step]) throws(CNIError) -> NetworkNamespace? {
        if request.netns.isEmpty { return nil }
        let namespace: NetworkNamespace?
        do throws(CNIError) {
            namespace = try NetworkNamespace.open(request.netns)
        } catch {
            if request.operation != .del && steps.contains(where: { $0.makesInterface }) { throw error }
            log.write(.warning, request.fields, "\(error.text): it counts as gone")
            return nil
        }
        if namespace == nil && (request.operation == .add || request.operation == .check) && steps.contains(where: { $0.makesInterface }) {
            throw CNIError(.invalidNetns, "open network namespace \(request.netns): No such file or directory")
        }
        return namespace
    }

    // MARK: Operations

    /// Runs the plugins in order. When one fails, it and those before it are undone in reverse order, and queued nftables commands dropped.
    private func add(_ steps: [Step], _ call: ChainCall, _ recorded: RecordedAttachment?) throws(CNIError) -> CNIResult {
        try requireFreeInterface(steps, call)
        try recorded?.begin(call.request)
        var result = call.request.previousResult
        var done = 0
        do throws(CNIError) {
            for step in steps {
                progress?.step = done + 1
                result = try run(step, call, .add, result)
                done += 1
            }
            // A result that the configuration's version can't hold is found while the chain can still be undone.
            _ = try ResultFormat.encode(result ?? CNIResult(), version: call.request.cniVersion)
            try commit()
        } catch {
            transaction.removeAll()
            let (left, retry) = undo(steps.prefix(isChain ? done + 1 : done), call, result)
            if !retry {
                do throws(CNIError) { try recorded?.abandon() } catch { log.write(.warning, call.request.fields, error.text) }
            }
            throw error.adding(left)
        }
        // What the DEL of a delegate has queued that a module did without.
        do throws(CNIError) { try deleteQueuedLinks() } catch { log.write(.warning, call.request.fields, error.text) }
        do throws(CNIError) {
            try recorded?.complete(result ?? CNIResult())
        } catch {
            // The attachment is there, and DEL knows its plugins: only their result is not kept.
            log.write(.warning, call.request.fields, error.text)
        }
        return result ?? CNIResult()
    }

    /// Refuses an interface name that is taken before anything is made: an undo would take away the interface that is there.
    private func requireFreeInterface(_ steps: [Step], _ call: ChainCall) throws(CNIError) {
        guard let first = steps.first, first.makesInterface, call.request.previousResult == nil, call.request.interfaceName != "lo" else {
            return
        }
        let taken: Bool
        do throws(NetlinkError) {
            taken = try containerSocket().link(named: call.request.interfaceName) != nil
        } catch {
            throw error.cni
        }
        if taken {
            throw CNIError(
                "interface \(call.request.interfaceName) already exists in network namespace \(call.request.netns)",
                details: "CNI allows one ADD for a container and interface name; run DEL first")
        }
    }

    /// Runs DEL of the steps in reverse order, and returns what could not be undone, and whether a DEL of the same configuration could
    /// do better later: not where the configuration itself is what fails.
    private func undo(_ steps: ArraySlice<Step>, _ call: ChainCall, _ result: CNIResult?) -> (left: [String], retry: Bool) {
        var left: [String] = []
        var retry = false
        for (index, step) in steps.enumerated().reversed() {
            progress?.step = index
            do throws(CNIError) {
                _ = try run(step, call, .del, result)
                // Not at the end: should a module of the next steps crash, what is queued would be forgotten, and these steps not be run again.
                try deleteQueuedLinks()
            } catch {
                left.append("undo of \(step.plugin.type) failed, something of it may be left: \(error.text)")
                retry = retry || !error.blamesConfiguration
            }
        }
        do throws(CNIError) {
            try commit()
        } catch {
            left.append("undo failed, nftables elements may be left: \(error.text)")
            retry = true
        }
        do throws(CNIError) {
            try deleteQueuedLinks()
        } catch {
            left.append("undo failed, a link may be left: \(error.text)")
            retry = true
        }
        return (left, retry)
    }

    /// Runs the plugins in reverse order, and stops at the first that fails, as runtimes do: what the others hold (addresses, above all)
    /// stays theirs until a repeated DEL has removed what may refer to it.
    private func del(_ steps: [Step], _ call: ChainCall) throws(CNIError) {
        var failure: CNIError?
        for (index, step) in steps.enumerated().reversed() {
            progress?.step = index + 1
            do throws(CNIError) {
                _ = try run(step, call, .del, call.request.previousResult)
            } catch {
                failure = error
                break
            }
        }
        do throws(CNIError) { try commit() } catch { failure = failure ?? error }
        do throws(CNIError) { try deleteQueuedLinks() } catch { failure = failure ?? error }
        if let failure { throw failure }
    }

    /// Has the modules make anew what others may have taken away. Executables have no such operation: they are passed over.
    private func repair(_ request: ChainRequest) throws(CNIError) {
        // Nobody adds or deletes the attachment meanwhile.
        let recorded = try recorded(request)
        var repair = request
        repair.plugins.removeAll()
        for plugin in request.plugins where try module(plugin.type) != nil { repair.plugins.append(plugin) }
        do throws(CNIError) {
            _ = try run(repair, recorded: nil)
        } catch {
            transaction.removeAll()
            throw error
        }
        withExtendedLifetime(recorded) {}
    }

    /// Asks every plugin whether it is ready. What is no CNI code of STATUS becomes one: the chain is not available.
    private func status(_ request: ChainRequest) throws(CNIError) {
        do throws(CNIError) {
            _ = try run(request, recorded: nil)
        } catch {
            throw error.code == .internalFailure ? CNIError(.notAvailable, error.message, details: error.details) : error
        }
    }

    /// Undoes recorded attachments that are not in use, by DEL, which also plugins without GC have; then runs GC of every plugin. All is
    /// tried, and the failures are reported together. CNI 1.1.0, section 2 "GC".
    private func collect(_ request: ChainRequest) throws(CNIError) {
        if request.validAttachments == nil {
            log.write(.warning, request.fields, "GC without the attachments in use (cni.dev/valid-attachments): modules remove nothing")
        }
        var failures = deleteUnused(request)
        do throws(CNIError) { _ = try run(request, recorded: nil) } catch { failures.append(error) }
        try CNIError.throwAll(failures)
    }

    private func deleteUnused(_ request: ChainRequest) -> [CNIError] {
        guard let records, let valid = request.validAttachments else { return [] }
        var failures: [CNIError] = []
        for record in records.records(network: request.network) where !valid.contains(record.attachment) {
            // Without the namespace: its path may lead to another container's by now.
            let deletion = ChainRequest(
                operation: .del, network: request.network, cniVersion: request.cniVersion, containerID: record.attachment.containerID,
                interfaceName: record.attachment.interfaceName, path: request.path, plugins: [])
            do throws(CNIError) {
                for _ in record.chains { try delete(deletion) }
            } catch {
                failures.append(error.prefixed("DEL of \(record.attachment.containerID) \(record.attachment.interfaceName)"))
            }
        }
        return failures
    }

    private func collect(_ steps: [Step], _ call: ChainCall) throws(CNIError) {
        var failures: [CNIError] = []
        for step in steps {
            do throws(CNIError) {
                _ = try run(step, call, .gc, nil)
                try commit()
            } catch {
                transaction.removeAll()
                failures.append(error)
            }
        }
        do throws(CNIError) { try deleteQueuedLinks() } catch { failures.append(error) }
        try CNIError.throwAll(failures)
    }

    // MARK: One plugin

    private func step(for plugin: ChainPlugin, path: String) throws(CNIError) -> Step {
        if let module = try module(plugin.type) { return Step(plugin: plugin, executor: .module(module)) }
        if let file = ChainEngine.executable(plugin.type, in: path) { return Step(plugin: plugin, executor: .executable(file)) }
        throw CNIError(
            "plugin \"\(plugin.type)\" not found: no module in \(directories.paths.joined(separator: ":")), no executable in CNI_PATH \(path)",
            details: "install the plugin, or correct its type")
    }

    /// The executable of a type in a list of directories; nil where there is none.
    public static func executable(_ type: String, in path: String) -> String? { PathList.find(type, in: path) }

    /// The module of a type, opened at most once; nil where there is none.
    public func module(_ type: String) throws(CNIError) -> LoadedModule? {
        for entry in opened where entry.type == type { return entry.module }
        guard let path = try file(of: type) else { return nil }
        // Opening it already runs code of it.
        enter("\(type): opening the module", limitMilliseconds: ChainPlugin.standardTimeoutSeconds * 1000)
        defer { leave() }
        let module = try LoadedModule(path, type: type)
        opened.append((type, module))
        return module
    }

    /// The file of a type's module; nil where there is none.
    private func file(of type: String) throws(CNIError) -> String? {
        for entry in files where entry.type == type { return entry.path }
        let path = try directories.file(of: type, &trusted)
        files.append((type, path))
        if let path, let progress, progress.isBeside, !directories.isOwn(path) {
            // It may do with memory what it likes, and write to standard output.
            progress.needsOwnMemory = true
            throw CNIError("\(type): a module of others needs a process with memory of its own")
        }
        return path
    }

    /// Finds the modules that the plugins will ask for, as far as their configuration tells: one that needs a process of another kind is found
    /// before anything is made.
    private func findDelegates(of plugins: [ChainPlugin]) throws(CNIError) {
        guard progress?.isBeside == true else { return }
        for plugin in plugins {
            for key in ["ipam", "delegate"] {
                guard let type = plugin.config[key]?.object?["type"]?.string else { continue }
                // What else is wrong with it is told when it is asked for.
                do throws(CNIError) { _ = try file(of: type) } catch { if progress?.needsOwnMemory == true { throw error } }
            }
        }
    }

    /// Runs one operation of one plugin. ADD returns its result.
    private func run(_ step: Step, _ call: ChainCall, _ operation: Operation, _ previous: CNIResult?) throws(CNIError) -> CNIResult? {
        let began = Clock.microseconds
        var failure: CNIError?
        // An executable has its own limit.
        enter("\(step.plugin.type): \(operation.command)", limitMilliseconds: step.module == nil ? 0 : step.plugin.timeoutSeconds * 1000)
        defer { leave() }
        defer { note(step, call, operation, microseconds: Clock.microseconds - began, failure) }
        do throws(CNIError) {
            switch step.executor {
            case .module(let module):
                return try runModule(
                    module, ModuleInvocation(engine: self, call: call, plugin: step.plugin, operation: operation, previous: previous))
            case .executable(let file):
                // The executable may read what the modules before it have made.
                try settle()
                return try ExecutablePlugin(file: file, plugin: step.plugin, log: log, lockMarker: lockMarker(call.request))
                    .run(operation, call.request, previous: previous)
            }
        } catch {
            failure = error
            throw isChain ? error.prefixed(step.plugin.type) : error
        }
    }

    private func enter(_ what: String, limitMilliseconds: Int) {
        guard let progress else { return }
        running.append((what, limitMilliseconds))
        progress.begin(what, limitMilliseconds: limitMilliseconds)
    }

    /// The caller of a delegate goes on, with its whole time again.
    private func leave() {
        guard let progress else { return }
        _ = running.popLast()
        if let outer = running.last { progress.begin(outer.what, limitMilliseconds: outer.limitMilliseconds) } else { progress.end() }
    }

    /// One line a step.
    private func note(_ step: Step, _ call: ChainCall, _ operation: Operation, microseconds: Int, _ failure: CNIError?) {
        log.write(
            failure == nil ? .info : .warning,
            call.request.fields + [
                LogField("plugin", step.plugin.type), LogField("verb", operation.command), LogField("run", step.kind),
                LogField("us", "\(microseconds)"), LogField("outcome", failure == nil ? "ok" : "failed"),
            ], failure?.text ?? "")
    }

    private func lockMarker(_ request: ChainRequest) -> String? {
        guard let records, !request.containerID.isEmpty else { return nil }
        return RecordedAttachment.marker(records, request)
    }

    private func runModule(_ module: LoadedModule, _ invocation: ModuleInvocation) throws(CNIError) -> CNIResult? {
        let operation = invocation.operation
        if operation == .gc && invocation.call.request.validAttachments == nil { return nil }
        invocation.cniVersion = try module.version(for: invocation.cniVersion)
        if let version = CNIVersion(invocation.cniVersion), version < operation.since { return nil }
        guard let function = module.function(operation) else { return nil }
        let status = try hostTable.callAndReturn(function, invocation)
        try checkOutput(invocation)
        if status != CATENA_OK {
            throw invocation.failure ?? CNIError("\(operation.command) failed with \(status) and without a reason")
        }
        guard operation == .add else { return nil }
        // A module states a result as structs, which have no place for more.
        if let extra = invocation.previous?.extra { invocation.result?.extra = extra }
        return invocation.result ?? invocation.previous
    }

    /// Standard output is for the result. A DEL or GC that has written to it has still done its work, and is not to be repeated for that.
    private func checkOutput(_ invocation: ModuleInvocation) throws(CNIError) {
        guard let misuse = progress?.output?.misuse() else { return }
        let error = CNIError(
            "\(invocation.operation.command) \(misuse)", details: "a fault of the module's: it says something by host->log only")
        if invocation.operation != .del && invocation.operation != .gc { throw error }
        log.write(.warning, invocation.call.request.fields + [LogField("plugin", invocation.plugin.type)], error.text)
    }

    // MARK: Services for modules

    /// Runs another plugin for a module: its IPAM plugin. When its ADD fails, its DEL is run, as CNI 1.1.0, section 4, wants it.
    func delegate(_ type: String, _ operation: Operation, config: JSONObject?, from caller: ModuleInvocation) throws(CNIError) -> CNIResult?
    {
        guard Names.isPluginType(type) else { throw CNIError(.invalidConfiguration, "\"\(type)\" can't be a plugin's name") }
        let step = try step(
            for: ChainPlugin(type: type, config: config ?? caller.plugin.config, timeoutSeconds: caller.plugin.timeoutSeconds),
            path: caller.call.request.path)
        // Executables have no such operation.
        if operation == .repair && step.module == nil { return nil }
        do throws(CNIError) {
            return try run(step, caller.call, operation, caller.previous)
        } catch {
            if operation == .add { return try failAfterDel(step, caller, error) }
            throw error
        }
    }

    private func failAfterDel(_ step: Step, _ caller: ModuleInvocation, _ error: CNIError) throws(CNIError) -> CNIResult? {
        do throws(CNIError) {
            _ = try run(step, caller.call, .del, caller.previous)
        } catch let second {
            log.write(.warning, caller.call.request.fields, "DEL of \(step.plugin.type) after its ADD failed: \(second.text)")
        }
        throw error
    }

    func hostSocket() throws(NetlinkError) -> NetlinkSocket {
        guard let socket = try namespaces?.hostSocket() else { throw ChainEngine.noCall }
        return socket
    }

    func containerSocket() throws(NetlinkError) -> NetlinkSocket {
        guard let socket = try namespaces?.containerSocket() else { throw ChainEngine.noCall }
        return socket
    }

    private static var noCall: NetlinkError { NetlinkError(operation: "open a netlink socket outside of a call", errno: .noEntry) }

    func queue(_ commands: String, purpose: String, owner: String) {
        transaction.append(owner: owner, purpose: purpose, commands: commands)
    }

    func queue(_ change: NftElementChange, purpose: String, owner: String) {
        transaction.append(owner: owner, purpose: purpose, change: change)
    }

    /// Commits the queued nftables commands as one transaction.
    func commit() throws(CNIError) {
        if transaction.isEmpty { return }
        let queued = transaction
        transaction.removeAll()
        try nftables.commit(queued)
    }

    func queueLink(index: Int32, name: String) { queuedLinks.append((index, name)) }

    /// Deletes the queued links.
    private func deleteQueuedLinks() throws(CNIError) {
        if queuedLinks.isEmpty { return }
        let queued = queuedLinks
        queuedLinks.removeAll()
        do throws(NetlinkError) { try hostSocket().deleteLinks(queued) } catch { throw error.cni }
    }

    /// What is queued of nftables goes first: no rule shall name a link that is gone, and the kernel's grace periods overlap.
    func settle() throws(CNIError) {
        try commit()
        try deleteQueuedLinks()
    }
}

/// A plugin of the chain and what runs it.
struct Step {
    enum Executor {
        case module(LoadedModule)
        case executable(String)
    }

    let plugin: ChainPlugin
    let executor: Executor

    /// The module; nil where it is an executable.
    var module: LoadedModule? { if case .module(let module) = executor { module } else { nil } }

    /// Whether it is a module that makes the container's interface.
    var makesInterface: Bool { module?.makesInterface ?? false }

    /// How it runs, for the log.
    var kind: String { module == nil ? "exec" : "in-process" }
}
