import CLinux
import CNI
import JSON
import Linux

/// Runs part of an operation in a child process, and makes an error of however that ends.
enum IsolatedCall {
    /// Returns what `body` returns, or throws what it throws. After an error `progress.isComplete` tells whether the error is the body's.
    static func run(_ progress: ChildProgress, _ body: () throws(CNIError) -> String) throws(CNIError) -> String {
        let ending: ChildProcess.Ending
        do throws(Errno) { ending = try ChildProcess.run(progress) { answer(of: body) } } catch { throw noChild(error) }
        return try result(of: ending, progress)
    }

    /// The same in a child that shares this process's memory.
    static func runBeside(
        _ progress: ChildProgress, _ body: @escaping () throws(CNIError) -> String
    ) throws(CNIError) -> String {
        let ending: ChildProcess.Ending
        do throws(Errno) { ending = try ChildProcess.runBeside(progress) { answer(of: body) } } catch { throw noChild(error) }
        return try result(of: ending, progress)
    }

    private static func noChild(_ error: Errno) -> CNIError { CNIError("run modules in a child process: \(error.text)") }

    private static func answer(of body: () throws(CNIError) -> String) -> [UInt8] {
        do throws(CNIError) {
            let answer = [0] + Array(try body().utf8)
            if answer.count <= ChildProcess.answerLimit { return answer }
            throw CNIError("the answer has \(answer.count) bytes, more than the \(ChildProcess.answerLimit) that it may have")
        } catch {
            return [1] + Array(error.json(version: nil).text().utf8)
        }
    }

    private static func result(of ending: ChildProcess.Ending, _ progress: ChildProgress) throws(CNIError) -> String {
        guard case .answer(let bytes) = ending else { throw describe(ending, progress.current) }
        let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
        if bytes.first == 0 { return text }
        throw (try? JSON(parsing: text)).flatMap { CNIError($0) } ?? CNIError(text)
    }

    private static func describe(_ ending: ChildProcess.Ending, _ current: String) -> CNIError {
        let what = current.isEmpty ? "catena" : current
        switch ending {
        case .ended(.signal(let signal)):
            return CNIError(
                "\(what) crashed: signal \(signal), \(String(cString: strsignal(signal)))",
                details: "the process that runs the modules has ended: nothing else is affected")
        case .ended(.exited(let status)):
            return CNIError("\(what) ended the process with exit status \(status)", details: "a module must return, not exit")
        case .timeout:
            return CNIError(
                .tryAgainLater, "\(what) did not end within its limit and was killed",
                details: ChainPlugin.timeoutAdvice)
        case .answer: return CNIError(what)
        }
    }
}
