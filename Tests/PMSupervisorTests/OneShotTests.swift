import Glibc
import PMAttest
import PMJSON
import PMSystem
import PMWire
import Testing

@testable import PMSupervisor

/// One-shots that want to keep their supervisor busy, or to be believed more than they may.
@Suite struct OneShotTests {
  /// Plays pm-launch, and with it every one-shot.
  private func end(of script: String) throws -> (end: OneShot.End, milliseconds: UInt64) {
    let folder = "/tmp/pm-one-shot-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let path = "\(folder)/pm-launch"
    try FileIO.makeFolder(folder, mode: 0o755)
    defer {
      _ = unsafe unlink(path)
      _ = FileIO.removeFolder(folder)
    }
    try FileIO.replace(path, with: Array("#!/bin/sh\n\(script)\n".utf8), mode: 0o755)
    let launcher = Launcher(
      profile: .development, shelf: ProgramShelf(folder: folder, profile: .development),
      ownProgram: try Program.ours("/proc/self/exe", .development), notifyPath: "",
      groupParent: nil)
    let loop = try EventLoop()
    let oneShots = OneShots(launcher, loop)
    let configuration = try Configuration.read(Array(#"{"profile": "development"}"#.utf8))
    var end: OneShot.End?
    let start = Instant.now()
    let task = OneShot(role: .collateral, secondsMax: 20, outputBytesMax: 1000)
    oneShots.run(task, configuration) { end = $0 }
    while end == nil, Instant.now() < start.adding(seconds: 30) {
      loop.turn(waitMillisecondsMax: 100)
    }
    return (try #require(end), Instant.now().millisecondsSince(start))
  }

  @Test func whoeverKeepsTheOutputOpenIsNotWaitedFor() throws {
    let (end, milliseconds) = try end(of: "setsid sleep 6 & sleep 0.5; printf said")
    #expect(end.result == Array("said".utf8))
    #expect(milliseconds < 4000, "the supervisor hung for \(milliseconds) ms")
  }

  @Test func anOutputThatIsClosedEarlyCostsNothing() throws {
    let before = Self.threadMilliseconds
    let (end, _) = try end(of: "printf said; exec >&-; sleep 2")
    let used = Self.threadMilliseconds - before
    #expect(end.result == Array("said".utf8))
    #expect(used < 700, "\(used) ms of two seconds")
  }

  private static var threadMilliseconds: Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }

  @Test(arguments: [
    (#"{"verdict":"proven","token":null,"factors":[]}"#, ExitCode.done, true),
    (#"{"verdict":"proven","token":null,"factors":[]}"#, ExitCode.failed, false),
    (#"{"verdict":"proven","token":"nobody-knows","factors":[]}"#, ExitCode.done, false),
    (#"{"verdict":"proven","token":7,"factors":[]}"#, ExitCode.done, false),
    (#"{"verdict":"proven","factors":[]}"#, ExitCode.done, false),
    (#"{"verdict":"proven","token":"debug","factors":[]}"#, ExitCode.done, false),
    (#"{"verdict":"saved-evidence-valid","token":null,"factors":[]}"#, ExitCode.done, false),
  ])
  func onlyTheWholeWordPasses(_ line: String, _ code: Int32, _ passes: Bool) {
    let end = OneShot.End(code: code, output: Array(line.utf8), isWhole: true)
    #expect((AppraisalVerdict(end) != nil) == passes)
  }

  @Test func aRefusalIsHeardWhateverTheExitCode() throws {
    let line = Array(#"{"verdict":"rejected","token":"debug","factors":[]}"#.utf8)
    let verdict = try #require(
      AppraisalVerdict(OneShot.End(code: ExitCode.failed, output: line, isWhole: true)))
    #expect(verdict.token == .debug)
  }
}
