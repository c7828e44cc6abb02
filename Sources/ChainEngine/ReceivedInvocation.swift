import CNI

/// What a runtime asks of this process as a CNI plugin, before the configuration is decoded: that is the child process's to do, and the
/// parent's only where it has to make an error of the child's end.
struct ReceivedInvocation {
    let operation: Operation
    private let environment: PluginEnvironment
    private let input: [UInt8]

    /// Reads and checks the environment, then reads standard input.
    init(_ operation: Operation) throws(CNIError) {
        self.operation = operation
        environment = try PluginEnvironment(operation)
        input = try PluginInput.read()
    }

    /// The invocation, read and checked.
    func decoded() throws(CNIError) -> PluginInvocation {
        try PluginInvocation(operation, environment, try PluginInput(input)) { _ in }
    }

    /// The configuration's version, which an error object holds; nil where it can't be told.
    var version: String? {
        var version: String?
        guard let input = try? PluginInput(input) else { return nil }
        _ = try? PluginInvocation(operation, environment, input) { version = $0 }
        return version
    }
}
