import CLinux
import ModuleKit

/// Makes a tap device with an SELinux context of its own.
///
/// A tap has the context of the process that makes it, and an attaching program needs permission for that. Policies let a process take
/// another context where it starts a program; so this has `ip` make the device, as the reference does.
struct LabelledTap {
    private static let contextFile = "/proc/thread-self/attr/exec"

    let request: TapRequest
    let context: String

    /// Makes the device in the thread's network namespace.
    func create() throws(CNIError) {
        let operation = "create tap \(request.name) with SELinux context \(context)"
        let end: ProcessEnd
        let output: [UInt8]
        do throws(Errno) {
            let file = try FileDescriptor.inMemory("ip-output")
            end = try run(file.rawValue)
            lseek(file.rawValue, 0, SEEK_SET)
            output = try file.readAll(limit: 1 << 16)
        } catch {
            throw CNIError("\(operation): \(error.text)")
        }
        if end == .exited(0) { return }
        let lines = String(decoding: output, as: UTF8.self).split(whereSeparator: { $0.isNewline })
        throw CNIError(
            "\(operation): \(lines.isEmpty ? "ip failed" : lines.joined(separator: "; "))",
            details: "selinuxContext needs a kernel with SELinux on, a policy that allows the context, and the program ip (iproute2)")
    }

    private func run(_ output: Int32) throws(Errno) -> ProcessEnd {
        var arguments = ["ip", "tuntap", "add", "mode", "tap", "name", request.name]
        if request.multiQueue { arguments.append("multi_queue") }
        if let owner = request.owner { arguments += ["user", "\(owner)"] }
        if let group = request.group { arguments += ["group", "\(group)"] }
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        let pid = clinux_fork()
        if pid < 0 { throw Errno.current }
        if pid == 0 { exec(pointers, output) }
        return ProcessEnd.wait(for: pid)
    }

    /// The child: takes the context, and becomes `ip`.
    private func exec(_ arguments: [UnsafeMutablePointer<CChar>?], _ output: Int32) -> Never {
        dup2(output, 1)
        dup2(output, 2)
        // What the runtime has left open is not for another context: SELinux would complain of each.
        for descriptor: Int32 in 3..<256 { _ = clinux_set_cloexec(descriptor) }
        do throws(Errno) {
            try File.write(context, to: LabelledTap.contextFile)
            execvp("ip", arguments)
            StandardStream.writeError("run ip: \(Errno.current.text)")
        } catch {
            StandardStream.writeError("write to \(LabelledTap.contextFile): \(error.text)")
        }
        _exit(126)
    }
}
