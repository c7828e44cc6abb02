import ModuleKit

/// Sets values as they were before ADD. One that can't be set is logged, and the others are set all the same.
struct Restoration {
    private let call: ModuleCall

    init(_ call: ModuleCall) { self.call = call }

    /// Those that were set last go first: some parameters change others.
    func run(_ backup: Backup) {
        note { () throws(CNIError) in try restore(backup.link) }
        note { () throws(CNIError) in
            try call.inContainer {
                for parameter in backup.parameters.reversed() where Sysctl.exists(parameter.parts) {
                    note { () throws(CNIError) in try Sysctl.ensure(parameter.value, at: parameter.parts) }
                }
            }
        }
    }

    /// The link may be gone already.
    private func restore(_ settings: LinkSettings) throws(CNIError) {
        guard !settings.isEmpty, let link = try call.containerInterface(), settings.values(on: link) != settings else { return }
        let socket = try call.containerNetlink()
        for change in settings.changes {
            note { () throws(CNIError) in try attempt(try socket.setLink(index: link.index, name: link.name, change)) }
        }
    }

    private func note(_ body: () throws(CNIError) -> Void) {
        do throws(CNIError) { try body() } catch { call.log(.warning, "tuning: \(error.text)") }
    }
}
