import CLinux
import ChainEngine
import Linux

@main
struct CatenaExec {
    static func main() {
        let name = Environment.programName
        if name == "dhcp", Environment.arguments.first == "daemon" { becomeDaemon() }
        // _exit: there is nothing to tidy up, and touching what exit(3) does costs copies of pages that were shared with the child process.
        _exit(WrapperProgram.main(type: name))
    }

    /// `dhcp daemon …`, as the reference's unit files start its daemon: ours is a program of its own, which takes the same arguments.
    private static func becomeDaemon() {
        let path = "\(Environment.programDirectory ?? "")/catena-dhcpd"
        var arguments: [UnsafeMutablePointer<CChar>?] = ([path] + Environment.arguments).map { strdup($0) }
        arguments.append(nil)
        execv(path, arguments)
        StandardStream.writeError("dhcp: run \(path): \(Errno.current.text)\n")
        exit(1)
    }
}
