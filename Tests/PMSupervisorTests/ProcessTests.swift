import Glibc
import PMJSON
import PMSystem
import PMWire
import Testing

@Suite(
  .serialized,
  .enabled(if: Rig.exists("\(Rig.products)/pm-child-standin"), "programs are not built"))
struct ProcessTests {
  @Test func everythingBecomesReadyAndLeavesWhenAsked() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let pids = Service.allCases.map { rig.pid($0) }
    #expect(pids.allSatisfy { $0 > 0 })
    #expect(rig.leave() == ExitCode.done)
    #expect(!pids.contains(where: isAlive), "no child outlives the supervisor")
  }

  @Test func aSecondSupervisorIsRefused() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let second = try Rig.start(rig.folder)
    var status: Int32 = 0
    #expect(waitUntil(seconds: 5) { unsafe waitpid(second, &status, WNOHANG) == second })
    #expect(status >> 8 & 0xFF == ExitCode.refused)
    #expect(rig.state(.edge) == "ready")
  }

  @Test func aRestartOfEdgeRefusesNoConnection() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let port = rig.httpsPort
    let counter = ConnectionCounter(port)
    for _ in 0..<3 { #expect(rig.ask(.restart, .edge).outcome == ControlOutcome(.done)) }
    let counts = counter.stop()
    #expect(counts.refused == 0)
    #expect(counts.made > 10)
    #expect(rig.row(.edge)?["generation"]?.integer == 4)
  }

  @Test func aBadNewEdgeLeavesTheOldOneServing() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let old = rig.pid(.edge)
    try rig.script(.edge, "exit 78")
    #expect(rig.ask(.restart, .edge).outcome == ControlOutcome(.keptOld, reason: "exit 78"))
    #expect(rig.pid(.edge) == old)
    #expect(rig.state(.edge) == "ready")
  }

  @Test func aConfigurationFaultIsBarredUntilSomebodyStartsItAgain() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    try rig.script(.core, "exit 78")
    #expect(rig.ask(.restart, .core).outcome == ControlOutcome(.failed, reason: "exit 78"))
    #expect(rig.state(.core) == "barred")
    #expect(rig.state(.edge) == "ready", "nobody falls with it")
    try rig.script(.core, "")
    #expect(rig.ask(.start, .core).outcome == ControlOutcome(.done))
  }

  @Test func aCrashIsRecordedAndHealed() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let old = rig.pid(.core)
    kill(old, SIGSEGV)
    #expect(waitUntil(seconds: 10) { rig.pid(.core) != old && rig.state(.core) == "ready" })
    let record = rig.ask(.why, .core).lines.first?["record"]
    #expect(record?["reason"]?.string == "signal 11")
    #expect(record?["next_generation"]?.integer == 2)
    #expect((record?["waited_ms"]?.integer ?? 0) >= 450)
    #expect(rig.row(.core)?["restarts"]?.integer == 1)
  }

  @Test func aVendorThatIsKilledComesBackAlone() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let others = [Service.core, .edge, .admin].map { rig.pid($0) }
    let old = rig.pid(.vendor)
    kill(old, SIGKILL)
    #expect(waitUntil(seconds: 10) { rig.pid(.vendor) != old && rig.state(.vendor) == "ready" })
    #expect([Service.core, .edge, .admin].map { rig.pid($0) } == others)
  }

  @Test func aHungChildIsKilledAndReplaced() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let old = rig.pid(.core)
    kill(old, SIGSTOP)
    #expect(rig.waitFor(.core, .unhealthy, seconds: 20))
    #expect(waitUntil(seconds: 20) { rig.pid(.core) != old && rig.state(.core) == "ready" })
    let reason = rig.ask(.why, .core).lines.first?["record"]?["reason"]?.string
    #expect(reason == "watchdog" || reason == "probe")
  }

  @Test func aGrandchildInItsOwnSessionGoesWithItsParent() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    try rig.script(.admin, "grandchild")
    #expect(rig.ask(.restart, .admin).outcome == ControlOutcome(.done))
    let grandchild = try #require(Int32(rig.read("pm-admin.grandchild")))
    #expect(isAlive(grandchild))
    kill(rig.pid(.admin), SIGKILL)
    #expect(waitUntil(seconds: 5) { !isAlive(grandchild) })
  }

  @Test func aChildIsGivenWhatItNeedsAndNothingElse() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    try rig.script(.edge, "report")
    #expect(rig.ask(.restart, .edge).outcome == ControlOutcome(.done))
    let report = rig.read("pm-edge.report")
    #expect(report.contains("LISTEN_FDNAMES=https:http:probe:lifeline:orders:configuration\n"))
    #expect(report.contains("LISTEN_FDS=6\n"))
    #expect(report.contains("SWIFT_BACKTRACE=enable=no\n"))
    #expect(report.contains("CREDENTIALS_DIRECTORY=\(rig.runtime)/credentials/edge\n"))
    #expect(!report.contains("unexpected"))
    // 0 to 2, six inherited, and what the child itself had open: its loop, and the folder it reads.
    let descriptors = report.split(separator: "\n").filter { $0.hasPrefix("descriptor") }
    #expect(descriptors.count <= 12)
  }

  @Test func theVendorKeyIsInNoArgumentAndNoEnvironment() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let pid = rig.pid(.vendor)
    let arguments = try FileIO.read("/proc/\(pid)/cmdline", bytesMax: 65_536)
    let environment = try FileIO.read("/proc/\(pid)/environ", bytesMax: 65_536)
    let text = String(decoding: arguments + environment, as: UTF8.self)
    #expect(text.contains("--apiKey=@\(rig.runtime)/credentials/vendor/vendor-api-key"))
    let key = try FileIO.read(
      "\(rig.runtime)/credentials/vendor/vendor-api-key", bytesMax: 4096)
    #expect(
      !text.replacing("privatemode-proxy-standin", with: "").contains(
        "=" + String(decoding: key, as: UTF8.self)))
    #expect(!text.contains("CANARY"))
  }

  @Test func theControlSocketRefusesWhatItDoesNotKnow() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    func reason(_ line: String) -> String? {
      rig.exchange(line + "\n") { ControlOutcome($0) != nil }.last?["reason"]?.string
    }
    #expect(reason("nonsense") == "not-json")
    #expect(reason(#"{"v":1,"id":1,"verb":"exec"}"#) == "unknown-verb")
    #expect(reason(#"{"v":1,"id":1,"verb":"restart","service":"sshd"}"#) == "unknown-service")
    #expect(reason(#"{"v":1,"id":1,"verb":"status","path":"/etc/passwd"}"#) == "malformed")
    #expect(reason(#"{"v":1,"id":1,"id":2,"verb":"status"}"#) == "not-json")
    let long = String(repeating: "x", count: ControlLimits.lineBytesMax + 10)
    #expect(rig.exchange(long) { _ in true }.isEmpty, "a line without an end closes the connection")
    #expect(rig.ask(.gate).outcome == ControlOutcome(.refused, reason: "not-attested"))
    #expect(rig.ask(.stop, .admin).outcome == ControlOutcome(.done))
    #expect(rig.ask(.restart, .admin).outcome == ControlOutcome(.refused, reason: "off"))
    #expect(rig.status?["overall"]?.string == "degraded")
  }

  @Test func aReloadOfAGoodFileIsDoneAndABadOneChangesNothing() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    #expect(rig.ask(.reload).outcome == ControlOutcome(.done))
    try FileIO.replace("\(rig.folder)/appliance.json", with: Array("{".utf8), mode: 0o600)
    #expect(rig.ask(.reload).outcome == ControlOutcome(.failed, reason: "configuration"))
    #expect(rig.status?["overall"]?.string == "ready")
  }

  @Test func childrenLeaveWhenTheSupervisorIsGone() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    let pids = [Service.core, .edge, .admin].map { rig.pid($0) }
    let vendor = rig.pid(.vendor)
    rig.killSupervisor()
    #expect(waitUntil(seconds: 5) { !pids.contains(where: isAlive) })
    // It has no lifeline; under systemd the cgroup of the unit takes it.
    kill(vendor, SIGKILL)
  }

  @Test func whatAKilledSupervisorLeftIsEndedByTheNext() throws {
    let rig = try Rig()
    #expect(rig.waitUntilReady())
    try rig.script(.core, "stubborn")
    #expect(rig.ask(.restart, .core).outcome == ControlOutcome(.done))
    let (vendor, core) = (rig.pid(.vendor), rig.pid(.core))
    rig.killSupervisor()
    try rig.script(.core, "")
    try rig.startAgain()
    #expect(rig.waitUntilReady())
    #expect(!isAlive(vendor))
    #expect(!isAlive(core))
  }

  @Test func systemdLearnsThatThePathWorksAndKeepsThePublicListeners() throws {
    let path = "/tmp/pm-notify-\(getpid())"
    defer { OwnProcess.unlink(path) }
    var messages: [String] = []
    let socket = try NotifySocket(path: path, mode: 0o600) { _, text in messages.append(text) }
    let rig = try Rig(environment: ["NOTIFY_SOCKET=\(path)", "WATCHDOG_USEC=400000"])
    func hear() -> [String] {
      socket.drain()
      return messages
    }
    #expect(waitUntil(seconds: 15) { hear().contains { $0.hasPrefix("READY=1\n") } })
    #expect(messages.contains("FDSTORE=1\nFDNAME=https"))
    #expect(messages.contains("FDSTORE=1\nFDNAME=http"))
    #expect(waitUntil(seconds: 2) { hear().contains("WATCHDOG=1") })
    let ready = messages.firstIndex { $0.hasPrefix("READY=1\n") } ?? 0
    #expect(messages[..<ready].contains { $0.contains("STATUS=") && $0.contains("core starting") })
    #expect(rig.leave() == ExitCode.done)
    #expect(hear().contains("STOPPING=1"))
  }

  /// The port is taken, by this process, so it can only work with the listener that was handed in.
  @Test func aListenerFromTheStoreIsTakenOver() throws {
    let rig = try Rig(
      environment: ["LISTEN_FDS=1", "LISTEN_FDNAMES=https"], hasStoredListener: true)
    #expect(rig.waitUntilReady())
    #expect((try? TCPSocket.connectLoopbackBlocking(port: rig.httpsPort, seconds: 1)) != nil)
  }

  @Test func productionWithoutEvidenceOpensNothing() throws {
    let rig = try Rig(
      profile: "production",
      extra: #""tls": {"certificate": "/nonexistent", "key": "/nonexistent"},"#)
    #expect(waitUntil(seconds: 5) { rig.status?["gate"]?["token"]?.string != nil })
    #expect(rig.status?["gate"]?["token"]?.string == "config-platform")
    #expect(rig.status?["overall"]?.string == Overall.gateShut.rawValue)
    for service in Service.allCases { #expect(rig.state(service) == "off") }
    #expect((try? TCPSocket.connectLoopbackBlocking(port: rig.httpsPort, seconds: 1)) == nil)
    let again = rig.ask(.gate).outcome
    #expect(again == ControlOutcome(.failed, reason: "gate"))
    #expect(rig.leave() == ExitCode.done)
  }
}

/// Connects to a port again and again on a thread of its own.
final class ConnectionCounter: Sendable {
  private final class Counts: @unchecked Sendable {
    // Written by the thread alone until `isDone`, which is read after the thread has seen `stop`.
    var made = 0
    var refused = 0
  }
  private let counts = Counts()
  private let stopPipe: OwnedDescriptor
  private let donePipe: OwnedDescriptor

  init(_ port: UInt16) {
    var stop = try? DescriptorPair.pipe()
    var done = try? DescriptorPair.pipe()
    guard let stopReader = stop?.first.take(), let stopWriter = stop?.second.take(),
      let doneReader = done?.first.take(), let doneWriter = done?.second.take()
    else { fatalError("no descriptors") }
    stopPipe = stopWriter
    donePipe = doneReader
    let counts = counts
    let (stopNumber, doneNumber) = (stopReader.surrender(), doneWriter.surrender())
    try? startThread {
      var byte: UInt8 = 0
      while unsafe read(stopNumber, &byte, 1) < 0 {
        if (try? TCPSocket.connectLoopbackBlocking(port: port, seconds: 2)) != nil {
          counts.made += 1
        } else {
          counts.refused += 1
        }
        usleep(2000)
      }
      unsafe write(doneNumber, &byte, 1)
    }
  }

  func stop() -> (made: Int, refused: Int) {
    var byte: UInt8 = 1
    _ = unsafe write(stopPipe.number, &byte, 1)
    _ = waitUntil(seconds: 5) { unsafe read(donePipe.number, &byte, 1) == 1 }
    return (counts.made, counts.refused)
  }
}
