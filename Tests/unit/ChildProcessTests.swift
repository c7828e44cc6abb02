import CLinux
import Linux
import Testing

/// How a child's end is told, with memory of its own and beside its parent.
@Suite(.serialized) struct ChildProcessTests {
    private func run(beside: Bool, _ body: @escaping (ChildProgress) -> [UInt8]) throws -> (ChildProcess.Ending, ChildProgress) {
        let progress = try ChildProgress(beside: beside)
        let ending = try beside ? ChildProcess.runBeside(progress) { body(progress) } : ChildProcess.run(progress) { body(progress) }
        return (ending, progress)
    }

    @Test(arguments: [false, true]) func anAnswer(beside: Bool) throws {
        let (ending, _) = try run(beside: beside) { _ in [1, 2, 3] }
        #expect(ending == .answer([1, 2, 3]))
    }

    @Test(arguments: [false, true]) func anEndWithoutAnswer(beside: Bool) throws {
        let (exited, progress) = try run(beside: beside) { progress in
            progress.begin("work", limitMilliseconds: 0)
            _exit(3)
        }
        #expect(exited == .ended(.exited(3)) && progress.current == "work" && !progress.isComplete)
        let (killed, _) = try run(beside: beside) { _ in
            kill(getpid(), SIGKILL)
            return []
        }
        #expect(killed == .ended(.signal(SIGKILL)))
    }

    @Test(arguments: [false, true]) func aLimit(beside: Bool) throws {
        let (ending, progress) = try run(beside: beside) { progress in
            progress.begin("first", limitMilliseconds: 60_000)
            progress.end()
            progress.begin("second", limitMilliseconds: 20)
            while true { usleep(1000) }
        }
        #expect(ending == .timeout && progress.current == "second")
    }

    @Test(arguments: [false, true]) func whatIsWithoutLimit(beside: Bool) throws {
        let (ending, _) = try run(beside: beside) { progress in
            progress.begin("first", limitMilliseconds: 20)
            progress.begin("second", limitMilliseconds: 0)
            usleep(300_000)
            return [7]
        }
        #expect(ending == .answer([7]))
    }

    /// Descriptors are the child's own in either case.
    @Test(arguments: [false, true]) func descriptors(beside: Bool) throws {
        let descriptor = memfd_create("test", UInt32(MFD_CLOEXEC))
        defer { close(descriptor) }
        let (ending, _) = try run(beside: beside) { _ in [close(descriptor) == 0 ? 1 : 0] }
        #expect(ending == .answer([1]) && lseek(descriptor, 0, SEEK_CUR) == 0)
    }

    @Test func memory() throws {
        let progress = try ChildProgress(beside: true)
        final class Box { var value = 1 }
        let box = Box()
        _ = try ChildProcess.runBeside(progress) {
            box.value = 2
            return []
        }
        #expect(box.value == 2)
    }

    @Test func aSecondChild() throws {
        let progress = try ChildProgress(beside: true)
        for number in [UInt8(1), 2] {
            let ending = try ChildProcess.runBeside(progress) {
                progress.begin("work", limitMilliseconds: 1000)
                return [number]
            }
            #expect(ending == .answer([number]))
        }
    }
}
