import CLinux
import CNI
import CatenaABI
import JSON
import Linux
import ModuleABI
import Namespace
import Netlink
import Nftables

/// Runs a chain of plugins in this process: modules through the C ABI, the rest as executables.
///
/// One engine serves one CNI operation after the other, on one thread; modules that were opened stay open.
public final class ChainEngine {
    private let directories: ModuleDirectories
    private let isChain: Bool
    private let hostTable = HostTable()
    private var opened: [(type: String, module: LoadedModule)] = []
    private var namespaces = NamespaceSockets()
    private var transaction = NftTransaction()
    let nftables = Nftables()
    let log: Logger

    /// - Parameters:
    ///   - directories: where modules are looked for.
    ///   - log: where lines of the engine and of modules go.
    ///   - isChain: false where the program runs as one plugin: its errors are then not prefixed with the plugin's name, and DEL after a
    ///     failed ADD is the runtime's business, as it is with any plugin.
    public init(directories: ModuleDirectories, log: Logger, isChain: Bool) {
        self.directories = directories
        self.log = log
        self.isChain = isChain
    }

    /// Runs the request. ADD returns the chain's result, the other operations nil.
    public func run(_ request: ChainRequest) throws(CNIError) -> CNIResult? {
        transaction.removeAll()
        let steps = try request.plugins.map { (plugin) throws(CNIError) in try step(for: plugin, path: request.path) }
        let namespace = try openNamespace(request, steps)
        namespaces = NamespaceSockets(container: namespace)
        let call = ChainCall(request: request, netnsDescriptor: namespace?.fd ?? -1)
        switch request.operation {
        case .add: return try add(steps, call)
        case .del: try del(steps, call)
        case .check: for step in steps { _ = try run(step, call, .check, request.previousResult) }
        case .gc: try collect(steps, call)
        case .status: for step in steps { _ = try run(step, call, .status, nil) }
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
            if steps.contains(where: { $0.makesInterface }) { throw error }
            return nil
        }
        if namespace == nil && (request.operation == .add || request.operation == .check) && steps.contains(where: { $0.makesInterface }) {
            throw CNIError(.invalidNetns, "open network namespace \(request.netns): No such file or directory")
        }
        return namespace
    }

    // MARK: Operations

    /// Runs the plugins in order. When one fails, it and those before it are undone in reverse order, and queued nftables commands dropped.
    private func add(_ steps: [Step], _ call: ChainCall) throws(CNIError) -> CNIResult {
        try requireFreeInterface(steps, call)
        var result = call.request.previousResult
        var done = 0
        do throws(CNIError) {
            for step in steps {
                result = try run(step, call, .add, result)
                done += 1
            }
            // A result that the configuration's version can't hold is found while the chain can still be undone.
            _ = try ResultFormat.encode(result ?? CNIResult(), version: call.request.cniVersion)
            try commit()
        } catch {
            transaction.removeAll()
            throw undo(steps.prefix(isChain ? done + 1 : done), call, result, after: error)
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

    /// Runs DEL of the steps in reverse order, and returns the error with what could not be undone.
    private func undo(_ steps: ArraySlice<Step>, _ call: ChainCall, _ result: CNIResult?, after error: CNIError) -> CNIError {
        var left: [String] = []
        for step in steps.reversed() {
            do throws(CNIError) {
                _ = try run(step, call, .del, result)
            } catch {
                left.append("undo of \(step.plugin.type) failed, something of it may be left: \(error.text)")
            }
        }
        do throws(CNIError) { try commit() } catch { left.append("undo failed, nftables elements may be left: \(error.text)") }
        if left.isEmpty { return error }
        return CNIError(error.code, error.message, details: ([error.details] + left).filter { !$0.isEmpty }.joined(separator: "; "))
    }

    /// Runs the plugins in reverse order, and stops at the first that fails, as runtimes do: what the others hold (addresses, above all)
    /// stays theirs until a repeated DEL has removed what may refer to it.
    private func del(_ steps: [Step], _ call: ChainCall) throws(CNIError) {
        var failure: CNIError?
        for step in steps.reversed() {
            do throws(CNIError) {
                _ = try run(step, call, .del, call.request.previousResult)
            } catch {
                failure = error
                break
            }
        }
        do throws(CNIError) { try commit() } catch { failure = failure ?? error }
        if let failure { throw failure }
    }

    /// Runs GC of every plugin, also past failures, which are reported together. CNI 1.1.0, section 2 "GC".
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
        guard let first = failures.first else { return }
        let rest = failures.dropFirst().map { $0.text }
        throw CNIError(first.code, first.message, details: ([first.details] + rest).filter { !$0.isEmpty }.joined(separator: "; "))
    }

    // MARK: One plugin

    private func step(for plugin: ChainPlugin, path: String) throws(CNIError) -> Step {
        if let module = try module(plugin.type) { return Step(plugin: plugin, executor: .module(module)) }
        if let file = executable(plugin.type, in: path) { return Step(plugin: plugin, executor: .executable(file)) }
        throw CNIError(
            "plugin \"\(plugin.type)\" not found: no module in \(directories.paths.joined(separator: ":")), no executable in CNI_PATH \(path)",
            details: "install the plugin, or correct its type")
    }

    /// The executable of a type in a list of directories; nil where there is none.
    public func executable(_ type: String, in path: String) -> String? { PathList.find(type, in: path) }

    /// The module of a type, opened at most once; nil where there is none.
    public func module(_ type: String) throws(CNIError) -> LoadedModule? {
        for entry in opened where entry.type == type { return entry.module }
        guard let path = try directories.file(of: type) else { return nil }
        let module = try LoadedModule(path, type: type)
        opened.append((type, module))
        return module
    }

    /// Runs one operation of one plugin. ADD returns its result.
    private func run(_ step: Step, _ call: ChainCall, _ operation: Operation, _ previous: CNIResult?) throws(CNIError) -> CNIResult? {
        let began = Clock.microseconds
        var outcome = "ok"
        defer {
            log.write(
                .info, "\(call.request.context) plugin=\(step.plugin.type)",
                "\(operation.command) \(step.kind) \(Clock.microseconds - began)us \(outcome)")
        }
        do throws(CNIError) {
            switch step.executor {
            case .module(let module):
                return try runModule(
                    module, ModuleInvocation(engine: self, call: call, plugin: step.plugin, operation: operation, previous: previous))
            case .executable(let file):
                // The executable may read what the modules before it have made.
                try commit()
                return try ExecutablePlugin(file: file, plugin: step.plugin).run(operation, call.request, previous: previous)
            }
        } catch {
            outcome = "failed: \(error.text)"
            throw isChain ? error.prefixed(step.plugin.type) : error
        }
    }

    private func runModule(_ module: LoadedModule, _ invocation: ModuleInvocation) throws(CNIError) -> CNIResult? {
        guard module.versions.contains(invocation.call.request.cniVersion) else {
            throw CNIError(
                .incompatibleVersion, "incompatible CNI versions",
                details: "config is \"\(invocation.call.request.cniVersion)\", plugin supports \(module.versions.joined(separator: ", "))")
        }
        guard let function = module.function(invocation.operation) else { return nil }
        let status = hostTable.call(function, invocation)
        if status != CATENA_OK {
            throw invocation.failure ?? CNIError("\(invocation.operation.command) failed with \(status) and without a reason")
        }
        return invocation.operation == .add ? invocation.result ?? invocation.previous : nil
    }

    // MARK: Services for modules

    /// Runs another plugin for a module: its IPAM plugin. When its ADD fails, its DEL is run, as CNI 1.1.0, section 4, wants it.
    func delegate(_ type: String, _ operation: Operation, config: JSONObject?, from caller: ModuleInvocation) throws(CNIError) -> CNIResult?
    {
        guard Names.isPluginType(type) else { throw CNIError(.invalidConfiguration, "\"\(type)\" can't be a plugin's name") }
        let step = try step(for: ChainPlugin(type: type, config: config ?? caller.plugin.config), path: caller.call.request.path)
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
            log.write(.warning, caller.call.request.context, "DEL of \(step.plugin.type) after its ADD failed: \(second.text)")
        }
        throw error
    }

    func hostSocket() throws(NetlinkError) -> NetlinkSocket { try namespaces.hostSocket() }

    func containerSocket() throws(NetlinkError) -> NetlinkSocket { try namespaces.containerSocket() }

    func queue(_ commands: String, purpose: String, owner: String) {
        transaction.append(owner: owner, purpose: purpose, commands: commands)
    }

    /// Commits the queued nftables commands as one transaction.
    func commit() throws(CNIError) {
        if transaction.isEmpty { return }
        let queued = transaction
        transaction.removeAll()
        do throws(NftablesError) {
            try nftables.run(queued.script)
        } catch {
            throw queued.error(error)
        }
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

    /// Whether it is a module that makes the container's interface.
    var makesInterface: Bool {
        if case .module(let module) = executor { return module.makesInterface }
        return false
    }

    /// How it runs, for the log.
    var kind: String {
        switch executor {
        case .module: "in-process"
        case .executable: "exec"
        }
    }
}
