import CLinux
import ModuleKit

/// The targets. A further one is a file with its function, and a line here.
private let targets: [(name: String, run: @Sendable ([UInt8]) -> Void)] = [
    ("dhcp-client", fuzzDHCPClient),
    ("dhcp-message", fuzzDHCPMessage),
    ("dhcp-packet", fuzzDHCPPacket),
    ("dhcp-socket", fuzzDHCPSocket),
    ("dhcp6-client", fuzzIPv6Client),
    ("dhcp6-message", fuzzDHCPv6Message),
    ("dhcp6-router", fuzzRouterAdvertisement),
    ("host-local-index", fuzzHostLocalIndex),
    ("host-local-reservation", fuzzHostLocalReservation),
    ("host-local-resolver", fuzzHostLocalResolver),
    ("host-local-store", fuzzHostLocalStore),
]

private let chosen = targets.first { $0.name == Environment.value("FUZZ_TARGET") }

/// libFuzzer's hook at start: FUZZ_TARGET names the target. Without it, the names are printed and the program ends.
@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutableRawPointer, _ arguments: UnsafeMutableRawPointer) -> CInt {
    if chosen == nil {
        for target in targets { print(target.name) }
        exit(Environment.value("FUZZ_TARGET") == nil ? 0 : 1)
    }
    return 0
}

/// libFuzzer's hook for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    chosen?.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

/// The program's start, under the name that SwiftPM wants: to libFuzzer's own loop.
@_cdecl("fuzz_main")
public func fuzzMain(_ count: CInt, _ arguments: UnsafeMutableRawPointer) -> CInt {
    var (count, arguments) = (count, arguments)
    return runFuzzer(&count, &arguments, fuzzOneInput)
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutableRawPointer>,
    _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Stops the fuzzer at an input for which something that must hold does not.
func require(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}

/// The parts of an input, which a byte 0xff ends.
func parts(of input: [UInt8]) -> [[UInt8]] { input.split(separator: 0xff, omittingEmptySubsequences: false).map { Array($0) } }
