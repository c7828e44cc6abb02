import CLinux
import ChainEngine
import Linux

@main
struct CatenaExec {
    static func main() { exit(WrapperProgram.main(type: Environment.programName)) }
}
