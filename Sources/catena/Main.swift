import CLinux
import ChainEngine

@main
struct Catena {
    static func main() { exit(HostProgram.main()) }
}
