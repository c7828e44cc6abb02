import CNI
import JSON
import JSONSchema

/// What a module tells of itself.
enum MetadataChecks {
    static func rows(_ subject: CheckSubject) -> [CheckRow] {
        [versions(subject.module.cniVersions), capabilities(subject.module.capabilities), schema(subject)]
    }

    private static func versions(_ texts: [String]) -> CheckRow {
        var problems = texts.filter { !CNIVersion.released.contains($0) }.map { "\"\($0)\" is no version of CNI" }
        let versions = texts.compactMap { CNIVersion($0) }
        if texts.isEmpty { problems.append("there is none") }
        for (left, right) in zip(versions, versions.dropFirst()) where right <= left {
            problems.append("\(right.text) stands after \(left.text)")
        }
        let row = CheckRow("CNI versions", problems: problems, else: texts.joined(separator: ", "))
        if row.outcome == .ok && !texts.contains("1.1.0") {
            return CheckRow("CNI versions", .warning, row.found + ": GC and STATUS came with 1.1.0")
        }
        return row
    }

    private static func capabilities(_ names: [String]) -> CheckRow {
        var problems = names.filter { $0.isEmpty || $0.contains { $0.isWhitespace } }.map { "\"\($0)\" can't be one" }
        if Set(names).count != names.count { problems.append("one is there twice") }
        return CheckRow("capabilities", problems: problems, else: names.isEmpty ? "none" : names.joined(separator: ", "))
    }

    private static func schema(_ subject: CheckSubject) -> CheckRow {
        let text = subject.module.schema
        if text.isEmpty { return CheckRow("schema", .warning, "it has none: `catenactl validate` can't check its configuration") }
        let root: JSON
        do throws(JSONError) {
            root = try JSON(parsing: text)
        } catch {
            return CheckRow("schema", .failed, "line \(error.line), column \(error.column): \(error.text)")
        }
        let schema = JSONSchema(root)
        var problems = schema.problems
        if problems.isEmpty && subject.isConfigured {
            problems += schema.examine(JSON.object(subject.config).withoutNulls).errors.map { "of --config, \($0.pointer): \($0.text)" }
        }
        return CheckRow("schema", problems: problems, else: "\(SchemaKeys.rows(text).count) keys")
    }
}
