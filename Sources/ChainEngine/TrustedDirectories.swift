import Linux

/// The directories and files of modules that were found to be trusted: a program looks at each once.
struct TrustedDirectories {
    private var known: [(path: String, place: TrustedPath)] = []
    private var files: [String] = []

    /// The file of this name in a directory, symbolic links resolved; nil where there is none. Throws where it must not be trusted, of a
    /// directory only where it has the file.
    ///
    /// - Parameter check: looks into a file that has not been looked into before.
    mutating func file(
        _ name: String, in directory: String, _ check: (String) throws(TrustedPath.Refusal) -> Void
    ) throws(TrustedPath.Refusal) -> String? {
        guard let file = try place(of: name, in: directory)?.file(name) else { return nil }
        if files.contains(file) { return file }
        try check(file)
        files.append(file)
        return file
    }

    private mutating func place(of name: String, in directory: String) throws(TrustedPath.Refusal) -> TrustedPath? {
        for entry in known where entry.path == directory { return entry.place }
        if !File.isThere(PathList.join(directory, name)) { return nil }
        let place = try TrustedPath.directory(directory)
        known.append((directory, place))
        return place
    }
}
