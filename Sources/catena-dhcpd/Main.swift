import CLinux

@main
struct CatenaDHCPDaemon {
    static func main() { exit(DaemonProgram.main()) }
}
