import CNI

/// nftables: commands through libnftables, and single questions to the kernel that cost the same however large the ruleset is.
public final class Nftables {
    private var library: NftablesLibrary?
    private var kernel: NftablesKernel?

    /// Makes an empty one.
    public init() {}

    /// Commits a transaction: all of it, or nothing. Changes of elements go to the kernel directly; where there is more, all goes through
    /// libnftables. So it does where something that the changes need is gone since the module has asked: their commands may set it up.
    public func commit(_ transaction: NftTransaction) throws(CNIError) {
        do throws(NftablesError) {
            if let changes = transaction.changes, try commitDirectly(changes) { return }
            try run(transaction.script)
        } catch {
            throw transaction.error(error)
        }
    }

    /// False where nothing was done, and the commands are to be tried.
    private func commitDirectly(_ changes: [NftElementChange]) throws(NftablesError) -> Bool {
        do throws(NftablesError) {
            return try openKernel().commit(changes)
        } catch {
            if error.isAbsence { return false }
            throw error
        }
    }

    /// Runs commands in nft(8) syntax as one transaction: all of them, or none.
    public func run(_ commands: String) throws(NftablesError) {
        let library = try openLibrary()
        let outcome = library.run(commands, json: false)
        if outcome.succeeded { return }
        // From a buffer of several lines, libnftables shows the first one whichever failed. The same again from a file tells the right
        // one; should it succeed by now, all is well.
        let again = library.runAsFile(commands)
        if again?.succeeded == true { return }
        throw NftablesError(output: again?.errors ?? outcome.errors, commands: commands)
    }

    /// Runs a reading command; its output is JSON. Nil where what it asks for does not exist.
    public func query(_ command: String) throws(NftablesError) -> String? {
        let outcome = try openLibrary().run(command, json: true)
        if outcome.succeeded { return outcome.output }
        let error = NftablesError(output: outcome.errors, commands: command)
        if error.isAbsence { return nil }
        throw error
    }

    /// Whether a chain exists.
    public func hasChain(family: String, table: String, chain: String) throws(NftablesError) -> Bool {
        try openKernel().hasChain(family: family, table: table, chain: chain)
    }

    /// An element of a set or map; nil where there is none of this key.
    ///
    /// - Parameter key: the key's bytes: numbers in network order, each part of a concatenation padded to four bytes.
    public func element(family: String, table: String, set: String, key: [UInt8]) throws(NftablesError) -> NftElement? {
        try openKernel().element(family: family, table: table, set: set, key: key)
    }

    private func openLibrary() throws(NftablesError) -> NftablesLibrary {
        if let library { return library }
        let opened = try NftablesLibrary()
        library = opened
        return opened
    }

    private func openKernel() throws(NftablesError) -> NftablesKernel {
        if let kernel { return kernel }
        let opened = try NftablesKernel()
        kernel = opened
        return opened
    }
}
