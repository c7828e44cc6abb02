import CNI
import CatenaABI
import ModuleABI

/// From the C call to the Swift function of a module, and from its result or error back.
public enum ModuleRun {
    /// Runs ADD: the result goes to the host. Nil passes the previous result on.
    public static func add(_ raw: UnsafePointer<catena_call>?, _ body: (ModuleCall) throws(CNIError) -> CNIResult?) -> Int32 {
        run(raw) { (call, raw, host) throws(CNIError) in
            guard let result = try body(call) else { return 0 }
            let arena = Arena()
            return host.pointee.set_result(raw, ResultStructs.write(result, into: arena))
        }
    }

    /// Runs another operation.
    public static func other(_ raw: UnsafePointer<catena_call>?, _ body: (ModuleCall) throws(CNIError) -> Void) -> Int32 {
        run(raw) { (call, _, _) throws(CNIError) in
            try body(call)
            return 0
        }
    }

    private static func run(
        _ raw: UnsafePointer<catena_call>?,
        _ body: (ModuleCall, UnsafePointer<catena_call>, UnsafePointer<catena_host>) throws(CNIError) -> Int32
    ) -> Int32 {
        guard let raw, let host = raw.pointee.host else { return 1 }
        do throws(CNIError) {
            return try body(try ModuleCall(raw, host: host), raw, host)
        } catch {
            return host.pointee.fail(raw, error.code.rawValue, error.message, error.details)
        }
    }
}
