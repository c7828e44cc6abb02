import CLinux
import CNI
import CatenaABI
import ChainEngine
import JSON
import Linux
import ModuleABI

/// A module's file, before any of its functions for verbs is called.
enum FileChecks {
    /// Checks without which there is no calling the module.
    static func isDecisive(_ check: String) -> Bool { ["file", "shared object", "open", "entry"].contains(check) }

    static func rows(_ type: String, _ directories: ModuleDirectories) -> [CheckRow] {
        let file: String
        do throws(CNIError) {
            guard let path = try directories.file(of: type) else {
                return [CheckRow("file", .failed, "no file \(type).so in \(directories.paths.joined()), or \"\(type)\" can't be a type")]
            }
            file = path
        } catch {
            return [CheckRow("file", .failed, error.text)]
        }
        var rows = [CheckRow("file", .ok, "\(file): no one but root and its owner can change it")]
        guard let object = SharedObject(file) else {
            return rows + [CheckRow("shared object", .failed, "it is no ELF shared object of 64 bits for this machine")]
        }
        rows.append(CheckRow("shared object", .ok, "needs \(object.needed.isEmpty ? "nothing" : object.needed.joined(separator: ", "))"))
        rows.append(exports(object))
        rows += warnings(object)
        return rows + entry(file, type)
    }

    private static func exports(_ object: SharedObject) -> CheckRow {
        let entries = ["catena_module_entry", "catena_modules_entry"]
        let others = object.exports.filter { !entries.contains($0) }
        if others.isEmpty { return CheckRow("exports", .ok, entries.filter { object.exports.contains($0) }.joined(separator: ", ")) }
        let names = others.prefix(3).joined(separator: ", ") + (others.count > 3 ? ", … (\(others.count))" : "")
        return CheckRow("exports", .warning, "also \(names): compile with -fvisibility=hidden, or link with a version script")
    }

    private static func warnings(_ object: SharedObject) -> [CheckRow] {
        var rows: [CheckRow] = []
        if object.wantsExecutableStack {
            rows.append(CheckRow("stack", .warning, "it wants an executable stack: link with -z noexecstack"))
        }
        if object.changesItsCode { rows.append(CheckRow("relocations", .warning, "it has text relocations: compile with -fPIC")) }
        let paths = object.searchPaths
        if !paths.isEmpty { rows.append(CheckRow("run path", .warning, "it takes libraries from \(paths.joined(separator: ", "))")) }
        return rows
    }

    /// Opens it, asks for other majors, and reads what only the raw struct tells: in a child process.
    private static func entry(_ file: String, _ type: String) -> [CheckRow] {
        let text: String
        do throws(CNIError) {
            text = try IsolatedOperation.run(.status, undo: nil) { (progress) throws(CNIError) in
                progress.begin("opening the module", limitMilliseconds: 10_000)
                return JSON.array(openRows(file, type).map { .object($0.object) }).text()
            }
        } catch {
            return [CheckRow("open", .failed, error.text)]
        }
        return ((try? JSON(parsing: text))?.array ?? []).compactMap { CheckRow($0) }
    }

    private static func openRows(_ file: String, _ type: String) -> [CheckRow] {
        guard let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
            return [CheckRow("open", .failed, dlerror().map { String(cString: $0) } ?? "unknown error")]
        }
        guard let entry = LoadedModule.entry(handle, type: type) else {
            return [CheckRow("open", .failed, "it has no symbol catena_module_entry: see catena/module.h")]
        }
        let own = UInt32(CATENA_ABI_MAJOR)
        guard let table = entry(own) else {
            return [CheckRow("open", .ok), CheckRow("entry", .failed, "catena_module_entry(\(own)) is NULL: it serves another ABI")]
        }
        // The first two fields are there in every ABI.
        guard table.pointee.abi_major == own, table.pointee.size >= FirstRelease.module else {
            let words = "abi_major \(table.pointee.abi_major), size \(table.pointee.size): expected \(own), at least \(FirstRelease.module)"
            return [CheckRow("open", .ok), CheckRow("entry", .failed, words)]
        }
        let others = [0, own + 1, UInt32.max].filter { entry($0) != nil }
        let numbers = others.map { "\($0)" }.joined(separator: ", ")
        let problems = others.isEmpty ? [] : ["not NULL for ABI major \(numbers): compare host_abi_major"]
        return [
            CheckRow("open", .ok), metadata(table.pointee, type), CheckRow("ABI", problems: problems, else: "\(own), and NULL for others"),
        ]
    }

    private static func metadata(_ module: catena_module, _ type: String) -> CheckRow {
        func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.flatMap { String(validatingCString: $0) } }
        guard module.type != nil, module.version != nil, module.cni_versions != nil, module.add != nil else {
            return CheckRow("entry", .failed, "type, version, cni_versions and add must be set in catena_module")
        }
        if text(module.type) != type {
            return CheckRow("entry", .failed, "its type is \"\(String(cString: module.type))\", the file is \(type).so")
        }
        var problems: [String] = []
        if text(module.version)?.isEmpty != false { problems.append("version is empty, or not UTF-8") }
        if module.reserved != 0 { problems.append("reserved is \(module.reserved): zero the struct before filling it") }
        if !(UInt32(CATENA_KIND_INTERFACE)...UInt32(CATENA_KIND_META)).contains(module.kind) {
            problems.append("kind is \(module.kind): expected one of CATENA_KIND_INTERFACE, _IPAM, _META")
        }
        let description = text(module.description) ?? ""
        if description.isEmpty || description.contains(where: { $0.isNewline }) { problems.append("description is no line of text") }
        if module.schema != nil && text(module.schema) == nil { problems.append("schema is not UTF-8") }
        return CheckRow("entry", problems: problems, else: description)
    }
}

extension CheckRow {
    /// What `object` has made.
    init?(_ json: JSON) {
        guard let object = json.object, let check = object["check"]?.string, let word = object["outcome"]?.string,
            let outcome = word == "failed" ? Outcome.failed : Outcome(rawValue: word)
        else { return nil }
        self.init(check, outcome, object["found"]?.string ?? "")
    }
}
