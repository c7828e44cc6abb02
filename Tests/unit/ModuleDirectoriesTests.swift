import CLinux
import CNI
import Linux
import Testing

@testable import ChainEngine

/// Which files are trusted to be a module. They lie in the directory for temporary files, which is sticky.
@Suite struct ModuleDirectoriesTests {
    /// A fresh directory that is removed afterwards.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/catena-modules-XXXXXX".utf8CString)
        let directory = String(cString: try #require(mkdtemp(&template)))
        defer {
            for name in (try? File.list(directory)) ?? [] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        try body(directory)
    }

    private func refusal(_ directory: String, _ type: String = "a") -> String? {
        do throws(CNIError) {
            _ = try ModuleDirectories([directory]).file(of: type)
            return nil
        } catch { return error.message }
    }

    @Test func aFileOfOneselfIsTaken() throws {
        try withDirectory { directory in
            try File.replace("\(directory)/a.so", with: [], mode: 0o755)
            #expect(try ModuleDirectories(["/nonexistent", directory]).file(of: "a") == "\(directory)/a.so")
            #expect(try ModuleDirectories([directory]).file(of: "b") == nil)
        }
    }

    @Test(arguments: ["../a", "a/b", "", ".a", "-a", "a b"])
    func onlyPlainNamesAreLookedFor(type: String) throws {
        #expect(try ModuleDirectories(["/tmp"]).file(of: type) == nil)
    }

    @Test func aFileThatOthersMayWriteIsRefused() throws {
        try withDirectory { directory in
            try File.replace("\(directory)/a.so", with: [], mode: 0o775)
            #expect(refusal(directory)?.contains("a.so is writable by others") == true)
            chmod("\(directory)/a.so", 0o757)
            #expect(refusal(directory)?.contains("a.so is writable by others") == true)
        }
    }

    @Test func aDirectoryThatOthersMayWriteIsRefused() throws {
        try withDirectory { directory in
            try File.replace("\(directory)/a.so", with: [], mode: 0o755)
            chmod(directory, 0o777)
            #expect(refusal(directory)?.contains("\(directory) is writable by others") == true)
        }
    }

    @Test func aLinkIsJudgedByWhereItLeads() throws {
        try withDirectory { directory in
            try File.replace("\(directory)/real", with: [], mode: 0o777)
            symlink("\(directory)/real", "\(directory)/a.so")
            #expect(refusal(directory)?.contains("real is writable by others") == true)
            chmod("\(directory)/real", 0o755)
            #expect(refusal(directory) == nil)
            symlink("/tmp", "\(directory)/b.so")
            #expect(refusal(directory, "b")?.contains("is not a regular file") == true)
        }
    }

    @Test func everyDirectoryAndLinkOnTheWayIsLookedAt() throws {
        try withDirectory { directory in
            try File.replace("\(directory)/a.so", with: [], mode: 0o755)
            try withDirectory { other in
                symlink(directory, "\(other)/link")
                #expect(refusal("\(other)/link") == nil)
                chmod(other, 0o777)
                #expect(refusal("\(other)/link")?.contains("\(other) is writable by others") == true)
                // In a directory with the sticky bit others can't replace the link.
                chmod(other, 0o1777)
                #expect(refusal("\(other)/./link/../\(directory.dropFirst(5))") == nil)
            }
        }
    }

    @Test func aLinkThatLeadsNowhereIsRefused() throws {
        try withDirectory { directory in
            symlink("nowhere", "\(directory)/a.so")
            #expect(refusal(directory)?.contains("can't be examined: No such file or directory") == true)
            symlink("b.so", "\(directory)/b.so")
            #expect(refusal(directory, "b")?.contains("too many symbolic links") == true)
        }
    }

    @Test func whatIsNoModuleIsRefused() throws {
        try withDirectory { directory in
            try File.replace("\(directory)/a.so", with: Array("no module".utf8), mode: 0o755)
            #expect(throws: CNIError.self) { try LoadedModule("\(directory)/a.so", type: "a") }
        }
    }
}
