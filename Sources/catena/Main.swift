import CLinux
import ChainEngine

@main
struct Catena {
    // _exit: there is nothing to tidy up, and touching what exit(3) does costs copies of pages that were shared with the child process.
    static func main() { _exit(HostProgram.main()) }
}
