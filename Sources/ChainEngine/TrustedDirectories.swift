import Linux

/// The directories of modules that were found to be trusted: a program looks at each, and at those above it, once.
struct TrustedDirectories {
    private var known: [(path: String, place: TrustedPath)] = []

    /// The file of this name in a directory, symbolic links resolved; nil where there is none. Throws where it must not be trusted, of a
    /// directory only where it has the file.
    mutating func file(_ name: String, in directory: String) throws(TrustedPath.Refusal) -> String? {
        for entry in known where entry.path == directory { return try entry.place.file(name) }
        if !File.isThere(PathList.join(directory, name)) { return nil }
        let place = try TrustedPath.directory(directory)
        known.append((directory, place))
        return try place.file(name)
    }
}
