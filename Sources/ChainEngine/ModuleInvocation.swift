import CNI
import ModuleABI
import Namespace

/// A request under way, and the container's network namespace opened for it.
final class ChainCall {
    let request: ChainRequest
    /// The host's namespace.
    let home: NetworkNamespace
    /// The container's open namespace; -1 where it does not exist.
    let netnsDescriptor: Int32

    init(request: ChainRequest, home: NetworkNamespace, netnsDescriptor: Int32) {
        self.request = request
        self.home = home
        self.netnsDescriptor = netnsDescriptor
    }
}

/// One call of one module: what the host's services know it by, and what the module has stated so far.
final class ModuleInvocation {
    let engine: ChainEngine
    let call: ChainCall
    let plugin: ChainPlugin
    let operation: Operation
    let previous: CNIResult?
    /// The version that the module is told: the configuration's, or an older one where it does not serve that.
    var cniVersion: String
    /// Freed when the call has ended: what the module was handed.
    let arena = Arena()
    /// What the module stated by set_result.
    var result: CNIResult?
    /// What the module, or a service for it, stated by fail.
    var failure: CNIError?

    init(engine: ChainEngine, call: ChainCall, plugin: ChainPlugin, operation: Operation, previous: CNIResult?) {
        self.engine = engine
        self.call = call
        self.plugin = plugin
        self.operation = operation
        self.previous = previous
        cniVersion = call.request.cniVersion
    }
}
