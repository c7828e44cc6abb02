import ModuleKit

/// One ADD of tuning, step by step; what it changed is as before when a later step fails.
struct TuningAdd {
    private let call: ModuleCall
    private let config: TuningConfig
    private let path: String

    init(_ call: ModuleCall, _ config: TuningConfig) {
        self.call = call
        self.config = config
        path = Backup.path(config.dataDirectory, call.attachment)
    }

    func run(_ previous: CNIResult) throws(CNIError) -> CNIResult {
        let earlier = try earlierBackup()
        let before = try valuesBefore()
        // Before anything changes: a process that is killed in between leaves what DEL needs.
        try (earlier ?? Backup()).completed(by: before).write(path, in: config.dataDirectory)
        do throws(CNIError) {
            try call.inContainer { () throws(CNIError) in for parameter in config.parameters { try set(parameter) } }
            if !config.link.isEmpty {
                let link = try call.requireInterface()
                let socket = try call.containerNetlink()
                for change in config.link.changes { try attempt(try socket.setLink(index: link.index, name: link.name, change)) }
            }
        } catch {
            undo(before, earlier)
            throw error
        }
        return report(previous)
    }

    /// What another tuning of this attachment has kept. A file that can't be read is of no use any more.
    private func earlierBackup() throws(CNIError) -> Backup? {
        do throws(CNIError) {
            return try Backup.read(path)
        } catch {
            if error.code == .ioFailure { throw error }
            call.log(.warning, "tuning: \(error.text): it is replaced")
            return nil
        }
    }

    /// What is there of what will change. A parameter that can only be written has no value that could be set again.
    private func valuesBefore() throws(CNIError) -> Backup {
        var backup = Backup()
        backup.network = call.network
        if !config.link.isEmpty { backup.link = config.link.values(on: try call.requireInterface()) }
        backup.parameters = try call.inContainer {
            config.parameters.compactMap { parameter in
                (try? Sysctl.read(parameter.parts)).flatMap { KernelParameter(path: parameter.path, value: $0) }
            }
        }
        return backup
    }

    private func set(_ parameter: KernelParameter) throws(CNIError) {
        do throws(CNIError) {
            try Sysctl.write(parameter.value, to: parameter.parts)
        } catch {
            throw CNIError(
                "set \(parameter.key): \(error.message)",
                details: "sysctl -a in the container lists the parameters that there are, with their values")
        }
    }

    private func undo(_ before: Backup, _ earlier: Backup?) {
        Restoration(call).run(before)
        do throws(CNIError) {
            if let earlier { try earlier.write(path, in: config.dataDirectory) } else { try Backup.remove(path) }
        } catch {
            call.log(.warning, error.text)
        }
    }

    /// The result, with the interface as it is now.
    private func report(_ previous: CNIResult) -> CNIResult {
        var result = previous
        for index in result.interfaces.indices
        where result.interfaces[index].name == call.interfaceName && !(result.interfaces[index].sandbox ?? "").isEmpty {
            if let mac = config.mac { result.interfaces[index].mac = mac.text }
            if let mtu = config.mtu, result.interfaces[index].mtu != nil { result.interfaces[index].mtu = mtu }
        }
        return result
    }
}
