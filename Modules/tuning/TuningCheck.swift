import ModuleKit

/// Kernel parameters and link, compared with the configuration.
struct TuningCheck {
    private let call: ModuleCall
    private let config: TuningConfig

    init(_ call: ModuleCall, _ config: TuningConfig) {
        self.call = call
        self.config = config
    }

    /// All differences, one line each.
    func differences() throws(CNIError) -> [String] {
        var found = try call.inContainer { config.parameters.compactMap(difference) }
        guard !config.link.isEmpty else { return found }
        guard let link = try call.containerInterface() else {
            return found + ["interface \(call.interfaceName): expected in \(call.netns), found none"]
        }
        found += differences(link)
        return found
    }

    private func difference(_ parameter: KernelParameter) -> String? {
        do throws(CNIError) {
            let found = try Sysctl.read(parameter.parts)
            return parameter.matches(found) ? nil : "\(parameter.key): expected \(parameter.value), found \(found)"
        } catch {
            return "\(parameter.key): expected \(parameter.value), but: \(error.message)"
        }
    }

    private func differences(_ link: LinkInfo) -> [String] {
        let wanted = config.link
        let found = wanted.values(on: link)
        var differences = Differences()
        differences.expect("\(link.name): MAC", wanted.mac, found.mac) { $0?.text ?? "none" }
        differences.expect("\(link.name): promiscuous mode", wanted.promiscuous, found.promiscuous) { $0 == true ? "on" : "off" }
        differences.expect("\(link.name): MTU", wanted.mtu, found.mtu) { "\($0 ?? 0)" }
        differences.expect("\(link.name): all multicast", wanted.allMulticast, found.allMulticast) { $0 == true ? "on" : "off" }
        differences.expect("\(link.name): transmit queue length", wanted.txQueueLength, found.txQueueLength) { "\($0 ?? 0)" }
        return differences.lines
    }
}
