import CLinux
import CNftables

/// libnftables, opened when it is first needed: loading it costs as much as the rest of a small ADD, and many chains need none of it.
final class NftablesLibrary {
    private typealias ContextNew = @convention(c) (UInt32) -> OpaquePointer?
    private typealias ContextCall = @convention(c) (OpaquePointer?) -> Int32
    private typealias SetFlags = @convention(c) (OpaquePointer?, UInt32) -> Void
    private typealias GetText = @convention(c) (OpaquePointer?) -> UnsafePointer<CChar>?
    private typealias Run = @convention(c) (OpaquePointer?, UnsafePointer<CChar>?) -> Int32

    // Never freed: that waits for a grace period of the kernel (10 ms), and the end of the process frees it too.
    private let context: OpaquePointer
    private let setFlags: SetFlags
    private let outputBuffer: GetText
    private let errorBuffer: GetText
    private let runBuffer: Run
    private let runFile: Run

    init() throws(NftablesError) {
        guard let handle = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL) else {
            let why = dlerror().map { String(cString: $0) } ?? "unknown error"
            throw NftablesError(reason: "open libnftables: \(why); install it (Debian: libnftables1)")
        }
        let new = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_ctx_new"), to: ContextNew.self)
        let bufferOutput = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_ctx_buffer_output"), to: ContextCall.self)
        let bufferError = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_ctx_buffer_error"), to: ContextCall.self)
        setFlags = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_ctx_output_set_flags"), to: SetFlags.self)
        outputBuffer = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_ctx_get_output_buffer"), to: GetText.self)
        errorBuffer = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_ctx_get_error_buffer"), to: GetText.self)
        runBuffer = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_run_cmd_from_buffer"), to: Run.self)
        runFile = unsafeBitCast(try NftablesLibrary.symbol(handle, "nft_run_cmd_from_filename"), to: Run.self)
        guard let context = new(UInt32(NFT_CTX_DEFAULT)), bufferOutput(context) == 0, bufferError(context) == 0 else {
            throw NftablesError(reason: "make a libnftables context: out of memory")
        }
        self.context = context
    }

    private static func symbol(_ handle: UnsafeMutableRawPointer, _ name: String) throws(NftablesError) -> UnsafeMutableRawPointer {
        guard let symbol = dlsym(handle, name) else { throw NftablesError(reason: "libnftables has no function \(name)") }
        return symbol
    }

    /// Runs commands as one transaction. Returns what they print.
    func run(_ commands: String, json: Bool) -> (succeeded: Bool, output: String, errors: String) {
        setFlags(context, json ? UInt32(NFT_CTX_OUTPUT_JSON) : 0)
        return finish(runBuffer(context, commands))
    }

    /// Runs commands from a file in memory: slower, but errors then tell the line.
    func runAsFile(_ commands: String) -> (succeeded: Bool, output: String, errors: String)? {
        let file = memfd_create("nft-commands", UInt32(MFD_CLOEXEC))
        guard file >= 0 else { return nil }
        defer { close(file) }
        let bytes = Array(commands.utf8)
        guard write(file, bytes, bytes.count) == bytes.count else { return nil }
        setFlags(context, 0)
        return finish(runFile(context, "/proc/self/fd/\(file)"))
    }

    private func finish(_ status: Int32) -> (succeeded: Bool, output: String, errors: String) {
        let output = outputBuffer(context).map { String(cString: $0) } ?? ""
        let errors = errorBuffer(context).map { String(cString: $0) } ?? ""
        return (status == 0, output, errors)
    }
}
