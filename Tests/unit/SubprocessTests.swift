import CLinux
import Linux
import Testing

@Suite struct SubprocessTests {
    private func script(_ text: String, input: String = "", limit: Int = 10_000) throws -> Subprocess.Outcome {
        var template = Array("/tmp/catena-script-XXXXXX".utf8CString)
        let directory = String(cString: try #require(mkdtemp(&template)))
        defer {
            unlink("\(directory)/s")
            rmdir(directory)
        }
        try File.replace("\(directory)/s", with: Array("#!/bin/sh\n\(text)\n".utf8), mode: 0o755)
        return try Subprocess.run("\(directory)/s", environment: ["A=b", "PATH=/usr/bin:/bin"], input: input, timeoutMilliseconds: limit)
    }

    @Test func inputEnvironmentAndOutputs() throws {
        let outcome = try script("cat; echo \"$A\"; echo oops >&2; exit 3", input: "in ")
        #expect(outcome.status == 3 && outcome.signal == 0)
        #expect(String(decoding: outcome.output, as: UTF8.self) == "in b\n")
        #expect(String(decoding: outcome.errors, as: UTF8.self) == "oops\n")
    }

    @Test func muchOutputIsReadWhole() throws {
        let outcome = try script("head -c 1000000 /dev/zero")
        #expect(outcome.status == 0 && outcome.output.count == 1_000_000)
    }

    @Test func aSignalIsTold() throws {
        let outcome = try script("kill -9 $$")
        #expect(outcome.status == nil && outcome.signal == 9)
    }

    @Test func aHangIsCutOff() throws {
        #expect(throws: Subprocess.Failure.self) { try script("exec sleep 60", limit: 200) }
    }

    @Test func aGrandchildThatKeepsTheOutputOpenDoesNotHoldUp() throws {
        let outcome = try script("sleep 60 & echo done; echo $!")
        let lines = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n")
        let child = try #require(lines.last.flatMap { Int32($0) })
        #expect(lines.first == "done")
        #expect(kill(child, 0) == 0, "the outcome was there only when the grandchild had ended")
        kill(child, SIGKILL)
    }

    /// A file that is open for writing can't be run: ETXTBSY, until it is closed.
    @Test func aFileThatIsBeingWrittenIsWaitedFor() throws {
        var template = Array("/tmp/catena-busy-XXXXXX".utf8CString)
        let directory = String(cString: try #require(mkdtemp(&template)))
        let path = "\(directory)/true"
        defer {
            unlink(path)
            rmdir(directory)
        }
        try File.replace(path, with: try File.read("/bin/true"), mode: 0o755)
        // Held open for writing by a process that ends after a while.
        let holder = "#!/bin/sh\nexec 3>>\(path)\nsleep 0.1 3>&3 >/dev/null 2>&1 &\n"
        try File.replace("\(directory)/hold", with: Array(holder.utf8), mode: 0o755)
        defer { unlink("\(directory)/hold") }
        _ = try Subprocess.run("\(directory)/hold", environment: ["PATH=/usr/bin:/bin"], input: "", timeoutMilliseconds: 5000)
        #expect(try Subprocess.run(path, environment: [], input: "", timeoutMilliseconds: 5000).status == 0)
        let writer = try FileDescriptor.open(path, O_WRONLY)
        #expect(throws: Subprocess.Failure.self) { try Subprocess.run(path, environment: [], input: "", timeoutMilliseconds: 5000) }
        _ = writer.rawValue
    }

    @Test func aMissingFileIsAnError() {
        #expect(throws: Subprocess.Failure.self) {
            try Subprocess.run("/nonexistent/plugin", environment: [], input: "", timeoutMilliseconds: 1000)
        }
    }
}
